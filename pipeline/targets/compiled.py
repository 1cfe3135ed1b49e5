"""A compiled pipeline, in memory and as a file."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import yaml

from models.whole_files import write_whole
from pipeline.targets.places import TargetError
from pipeline.targets.target import Target

SUFFIXES = {Target.VERTEX: ('.json',), Target.KFP: ('.yaml', '.yml')}
"""What the backends' own clients take."""


@dataclasses.dataclass(frozen=True)
class CompiledPipeline:
  """A pipeline as a backend takes it.

  Attributes:
    target: vertex or kfp.
    spec: the PipelineSpec as a plain mapping.
    pipeline_root: where its artifacts go.
    job: Vertex's PipelineJob, whose `pipelineSpec` is `spec`; `None` for KFP.
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


def check_suffix(path: str, target: Target) -> None:
  """Raises `TargetError` where a client of the target would not take a file of this name."""
  if not path.endswith(SUFFIXES[target]):
    raise TargetError(f"'{path}' has to end with {SUFFIXES[target][0]}, which {target.value} takes.")


def write_compiled(compiled: CompiledPipeline, path: pathlib.Path) -> None:
  """Writes the file whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  write_whole(path, compiled.text())


def read_compiled(path: pathlib.Path, target: Target) -> CompiledPipeline:
  """Reads a file that `write_compiled` wrote.

  Raises:
    TargetError: there is none, or it is something else.
  """
  try:
    content = yaml.safe_load(path.read_text(encoding='utf-8'))  # JSON is YAML, too.
  except OSError as error:
    raise TargetError(f"'{path}' can't be read: {error.strerror}.") from None
  except (yaml.YAMLError, UnicodeDecodeError):
    raise TargetError(f"'{path}' is no compiled pipeline: neither JSON nor YAML.") from None
  spec = content.get('pipelineSpec') if isinstance(content, dict) and target is Target.VERTEX else content
  if not isinstance(spec, dict) or 'root' not in spec:
    raise TargetError(f"'{path}' is no pipeline compiled for {target.value}; farelite compile writes one.")
  if target is Target.VERTEX:
    return CompiledPipeline(target, spec, content.get('runtimeConfig', {}).get('gcsOutputDirectory', ''), content)
  return CompiledPipeline(target, spec, spec.get('defaultPipelineRoot', ''), job=None)
