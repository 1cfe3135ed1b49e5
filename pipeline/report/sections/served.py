"""The version that served before: its manifest beside this run."""

from __future__ import annotations

import dataclasses
import pathlib

from components.compression_gate.records import CompressionRecord
from configs.records import Estimate, RecordError
from models.manifest import EXTRA, LITE_FILE, MANIFEST, Manifest
from models.versions import served_version, version_number
from pipeline.report.differences import Difference, differences, read_config
from pipeline.report.record import RunRecord
from pipeline.report.tables import Cell, Heading, Row, Table, figure, figures
from pipeline.report.wording import MISSING, size
from pipeline.summary_record import Status

_NOT_OF_A_MODEL = ('dataset.path', 'dataset.rules.max_quarantined_share')
"""Settings in these sections that decide nothing of a model, and are not kept beside it."""


@dataclasses.dataclass(frozen=True)
class ServedSection:
  """The version that served before.

  Attributes:
    version: its number.
    told: what the comparison says.
    table: both side by side; `None` if it has no manifest.
    changed: settings that differ from its config.
  """

  version: str
  told: tuple[str, ...]
  table: Table | None
  changed: tuple[Difference, ...]


def served_section(record: RunRecord, variants: CompressionRecord | None) -> ServedSection | None:
  """The section, or `None` if nothing served before."""
  before = _version_before(record)
  if before is None:
    return None
  pushed = record.summary.status is Status.PUSHED
  verb = 'served before this run' if pushed else 'goes on serving, as this run pushed nothing'
  told = [f'Version {before.name} {verb}.']
  manifest = _manifest(before)
  if manifest is None:
    told.append('It has no manifest, so there are no figures of it to compare with.')
    table = None
  else:
    told.append(_verdict(record, variants, manifest))
    table = _table(record, variants, before.name, manifest)
  return ServedSection(before.name, tuple(told), table, _changed(record, before))


def _version_before(record: RunRecord) -> pathlib.Path | None:
  """What served before the version that this run pushed, or what serves now if it pushed none."""
  serving = record.output.serving
  pushed = pathlib.PurePath(record.summary.pushed_path or '').name
  version = served_version(serving, before=version_number(pushed))
  return None if version is None else serving / str(version)


def _changed(record: RunRecord, before: pathlib.Path) -> tuple[Difference, ...]:
  """What is set otherwise now, of what is kept beside a model: the sections that decide what it is."""
  earlier = read_config(before / EXTRA / 'config.yaml')
  now = {section: values for section, values in record.config.items() if section in earlier}
  return tuple(found for found in differences(earlier, now) if found.setting not in _NOT_OF_A_MODEL)


def _manifest(version: pathlib.Path) -> Manifest | None:
  try:
    return Manifest.read(version / MANIFEST)
  except (OSError, RecordError):
    return None


def _errors(record: RunRecord, variants: CompressionRecord | None) -> dict[str, Estimate | None]:
  """RMSE and MAE of this run: of the chosen file, else of the trained model."""
  chosen = variants.named(variants.chosen) if variants else None
  if chosen and chosen.rmse:
    return {'rmse': chosen.rmse, 'mae': chosen.mae}
  return {name: record.error(name) for name in ('rmse', 'mae')}


def _verdict(record: RunRecord, variants: CompressionRecord | None, manifest: Manifest) -> str:
  now, then = _errors(record, variants)['rmse'], manifest.metrics.rmse
  if now is None or then is None:
    return 'One of the two has no RMSE, so they can only be compared by their sizes and settings.'
  order = 'higher' if now.value > then.value else 'lower'
  if now.bottom <= then.top and then.bottom <= now.top:
    return (
      f'The RMSE is {order} now, but the intervals overlap: the difference may be chance. Each was measured on the '
      'eval split of its own run.'
    )
  return (
    f'The RMSE is {order} now, and the intervals do not overlap. Each was measured on the eval split of its own run.'
  )


def _table(record: RunRecord, variants: CompressionRecord | None, version: str, manifest: Manifest) -> Table:
  chosen = variants.named(variants.chosen) if variants else None
  now, lite = _errors(record, variants), manifest.files.get(LITE_FILE)
  rows = [
    ('RMSE', record.currency, figures(now['rmse']), figures(manifest.metrics.rmse)),
    ('MAE', record.currency, figures(now['mae']), figures(manifest.metrics.mae)),
    ('size of the file', '', _size(chosen.bytes if chosen else None), _size(lite.bytes if lite else None)),
    ('variant', '', Cell(chosen.name if chosen else MISSING), Cell(f'{manifest.recipe}.{manifest.scheme}')),
    (
      'dataset',
      '',
      Cell(str(record.config.get('dataset', {}).get('name', MISSING))),
      Cell(manifest.dataset),
    ),
    ('made', '', Cell(f'{record.written:%Y-%m-%d %H:%M}'), Cell(_moment(manifest.created))),
  ]
  headings = (Heading('', numeric=False), Heading('this run'), Heading(f'version {version}'))
  body = tuple(Row((Cell(name, note=unit), this, other)) for name, unit, this, other in rows)
  return Table('This run and the version that served before', headings, body)


def _moment(created: str) -> str:
  """An ISO 8601 moment in UTC, for people."""
  return f'{created[:16].replace("T", " ")} UTC' if created else MISSING


def _size(count: int | None) -> Cell:
  return figure(count, size(count))
