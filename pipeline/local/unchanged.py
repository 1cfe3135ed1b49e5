"""Whether a run would only repeat the last one: known without TFX, in less than a second."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from components.ride_example_gen.files import digest
from components.ride_example_gen.listing import find_files
from configs.errors import UserError
from configs.operations import StoreKind
from configs.run import RunConfig
from models.release import served_alteration
from models.served_versions import served_version
from models.whole_files import is_bucket
from pipeline.code_version import run_version, sources_digest
from pipeline.local.output import OutputDirectory
from pipeline.sources import DataSource
from pipeline.summary_record import MadeOf, Status, Summary

_NO_PART_OF_A_MODEL: dict[str, Any] = {
  'retraining': {'triggers'},
  'metadata': True,
  'retention': True,
  'beam': True,
  'notify': True,
  'platform': True,
  'tracking': True,
}
"""Sections of a config that decide when, where and how long, not what comes out."""


def config_digest(config: RunConfig) -> str:
  """Digest of a config, but for what is no part of a model."""
  lasting = config.model_dump(mode='json', exclude=_NO_PART_OF_A_MODEL)
  return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:16]


def made_of(config: RunConfig, output: OutputDirectory, rides: str | None) -> MadeOf | None:
  """What a run that has ended was made of. Args: rides: the ingestion's own digest; `None` where it has none."""
  if not rides or not rides.startswith('sha256:'):
    return None
  serves = served_version(output.serving)
  return MadeOf(config=config_digest(config), sources=sources_digest(), rides=rides, serves=serves)


def last_run(config: RunConfig, source: DataSource, output: OutputDirectory) -> Summary | None:
  """The last run's summary, if another run would come to the same; `None` if that is not sure.

  It is sure where the last run came to its end on the same config, code and files, its files are there,
  the same version serves as did then, with the bytes that were pushed, and nothing is to be removed after the run.
  """
  try:
    last = Summary.read(output.summary)
  except (OSError, UserError):
    return None
  made, files = last.made_of, _files(source)
  if made is None or files is None or last.status not in (Status.PUSHED, Status.NOT_BLESSED):
    return None
  if config.retention.after_run:  # What is to be removed may have changed.
    return None
  same = made.config == config_digest(config) and (last.name, last.output) == (config.name, str(output.path))
  store = [output.metadata] if config.metadata.kind is StoreKind.SQLITE else []
  whole = output.artifacts.is_dir() and all(file.is_file() for file in (output.page, output.config, *store))
  if not same or output.failed_start.is_file() or not whole:
    return None
  if served_version(output.serving) != made.serves or served_alteration(output.serving):
    return None
  sources = sources_digest()
  if made.sources != sources and last.code_version != run_version():
    return None
  # With what the sources are now, so that the next call need not parse them.
  now = last.model_copy(update={'made_of': made.model_copy(update={'sources': sources})})
  return now if made.rides == digest(files) else None


def _files(source: DataSource) -> list[str] | None:
  """What the ingestion would read; `None` where that is no files of this machine."""
  if source.bigquery is not None or is_bucket(source.base):
    return None
  return [file for pattern in source.inputs().values() for file in find_files(source.base, pattern).files]


def sentence(last: Summary) -> str:
  """Why there is nothing to do."""
  assert last.made_of is not None
  serves = 'no model serves' if last.made_of.serves is None else f'version {last.made_of.serves} goes on serving'
  began = datetime.datetime.fromisoformat(last.started) if last.started else None
  of = f' of {began:%Y-%m-%d %H:%M}' if began else ''
  return f'Rides, config and code are as in the run{of}, and {serves}; --force runs all the same.'


def end_early(last: Summary, output: OutputDirectory, reason: str, **changed: Any) -> Summary:
  """Writes the summary of a run that had nothing to do: the last one's, as a run from the cache would, and the reason.

  The last run's status, figures and served model stay; nothing was timed. `ended_early` marks it as no run.
  """
  result = last.model_copy(update={'reason': reason, 'timings': {}, 'ended_early': True, **changed})
  result.write(output.summary)
  output.failed_start.unlink(missing_ok=True)
  return result
