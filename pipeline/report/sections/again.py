"""How to make the run again: config, data, code and libraries, and the command."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence

from configs.problems import joined, shortened
from pipeline.report.record import RunRecord

_FILES = 3
"""As many data files are named; of more, their number is told."""


@dataclasses.dataclass(frozen=True)
class AgainSection:
  """What it takes to make the run again.

  Attributes:
    command: for a shell.
    facts: name and value of what else matters.
    config: the resolved config, as YAML; empty where it is lost.
  """

  command: str
  facts: tuple[tuple[str, str], ...]
  config: str


def again_section(record: RunRecord) -> AgainSection:
  """The section of any run."""
  summary = record.summary
  facts = [
    ('Config', summary.config or str(record.output.config)),
    ('Data', _files(_data_files(record))),
    ('Code version', summary.code_version or ''),
    ('Started', summary.started or ''),
    ('Pushed to', summary.pushed_path or ''),
  ]
  config = record.output.config
  command = f'farelite run --config {shlex.quote(str(config))} --output {shlex.quote(f"{record.output.path}-again")}'
  return AgainSection(
    command=command,
    facts=tuple((name, value) for name, value in facts if value),
    config=config.read_text(encoding='utf-8') if config.is_file() else '',
  )


def _data_files(record: RunRecord) -> Sequence[str]:
  if record.summary.data:
    return [record.summary.data]
  counts = record.read_json('RideExampleGen', 'quarantine', 'counts.json')
  return counts.get('files', ()) if counts else ()


def _files(files: Sequence[str]) -> str:
  return shortened(files, _FILES) if len(files) > _FILES else joined(files)
