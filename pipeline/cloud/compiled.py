"""A compiled pipeline, in memory and as a file. Needs no TFX, as commands ask before they compile."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import yaml

from models.whole_files import write_whole
from pipeline.cloud.settings import TargetError
from pipeline.targets import Target


@dataclasses.dataclass(frozen=True)
class CompiledPipeline:
  """A pipeline as a backend takes it.

  Attributes:
    target: which cloud.
    spec: the PipelineSpec as a plain mapping.
    pipeline_root: where its artifacts go.
    job: Vertex's PipelineJob, whose `pipelineSpec` is `spec`; `None` for a
      target that takes the spec itself.
  """

  target: Target
  spec: dict[str, Any]
  pipeline_root: str
  job: dict[str, Any] | None

  @property
  def name(self) -> str:
    """The pipeline's name."""
    return str(self.spec.get('pipelineInfo', {}).get('name', ''))

  def text(self) -> str:
    """The file: JSON for Vertex, YAML for KFP; equal pipelines give equal bytes."""
    if self.job is not None:
      return json.dumps(self.job, indent=1, sort_keys=True, ensure_ascii=False) + '\n'
    return yaml.safe_dump(self.spec, sort_keys=True, allow_unicode=True, width=120)

  @contextlib.contextmanager
  def file(self) -> Iterator[pathlib.Path]:
    """A file of it for a client that takes nothing else; gone after the block."""
    with tempfile.TemporaryDirectory() as folder:
      path = pathlib.Path(folder, f'pipeline{self.target.facts.suffixes[0]}')
      write_compiled(self, path)
      yield path


def check_suffix(path: str, target: Target) -> None:
  """Raises `TargetError` where a client of the target would not take a file of this name."""
  if not path.endswith(target.facts.suffixes):
    raise TargetError(f"'{path}' has to end with {target.facts.suffixes[0]}, which {target.value} takes.")


def write_compiled(compiled: CompiledPipeline, path: pathlib.Path) -> None:
  """Writes the file whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  write_whole(path, compiled.text())
