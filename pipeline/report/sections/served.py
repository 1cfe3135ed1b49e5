"""The version that served before: its manifest beside this run."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from pipeline.report.differences import Difference, differences, read_config
from pipeline.report.estimate import Estimate, estimate
from pipeline.report.record import RunRecord
from pipeline.report.tables import Cell, Heading, Row, Table, figure, figures
from pipeline.report.variants import Variants
from pipeline.report.wording import MISSING, size
from pipeline.summary_record import Status

_EXTRA = 'assets.extra'
_LITE = f'{_EXTRA}/model.tflite'


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


def served_section(record: RunRecord, variants: Variants | None) -> ServedSection | None:
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
  """The newest version that is older than what this run pushed."""
  serving = record.output.serving
  versions = [path for path in serving.iterdir() if path.name.isdecimal()] if serving.is_dir() else []
  pushed = pathlib.PurePath(record.summary.pushed_path or '').name
  older = [path for path in versions if not pushed.isdecimal() or int(path.name) < int(pushed)]
  return max(older, key=lambda path: int(path.name), default=None)


def _changed(record: RunRecord, before: pathlib.Path) -> tuple[Difference, ...]:
  """What is set otherwise now, of what is kept beside a model: the sections that decide what it is."""
  earlier = read_config(before / _EXTRA / 'config.yaml')
  now = {section: values for section, values in record.config.items() if section in earlier}
  return tuple(found for found in differences(earlier, now) if found.setting != 'dataset.path')


def _manifest(version: pathlib.Path) -> Mapping[str, Any] | None:
  try:
    manifest = json.loads((version / _EXTRA / 'manifest.json').read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return None
  return manifest if isinstance(manifest, dict) else None


def _errors(record: RunRecord, variants: Variants | None) -> dict[str, Estimate | None]:
  """RMSE and MAE of this run: of the chosen file, else of the trained model."""
  chosen = variants.named(variants.chosen) if variants else None
  if chosen and chosen.rmse:
    return {'rmse': chosen.rmse, 'mae': chosen.mae}
  return {name: record.error(name) for name in ('rmse', 'mae')}


def _verdict(record: RunRecord, variants: Variants | None, manifest: Mapping[str, Any]) -> str:
  now, then = _errors(record, variants)['rmse'], estimate((manifest.get('metrics') or {}).get('rmse'))
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


def _table(record: RunRecord, variants: Variants | None, version: str, manifest: Mapping[str, Any]) -> Table:
  chosen = variants.named(variants.chosen) if variants else None
  metrics, now = manifest.get('metrics') or {}, _errors(record, variants)
  lite = (manifest.get('files') or {}).get(_LITE) or {}
  variant = '.'.join(str(manifest[key]) for key in ('recipe', 'scheme') if isinstance(manifest.get(key), str))
  rows = [
    ('RMSE', record.currency, figures(now['rmse']), figures(estimate(metrics.get('rmse')))),
    ('MAE', record.currency, figures(now['mae']), figures(estimate(metrics.get('mae')))),
    ('size of the file', '', _size(chosen.bytes if chosen else None), _size(lite.get('bytes'))),
    ('variant', '', Cell(chosen.name if chosen else MISSING), Cell(variant or MISSING)),
    (
      'dataset',
      '',
      Cell(str(record.config.get('dataset', {}).get('name', MISSING))),
      Cell(str(manifest.get('dataset', MISSING))),
    ),
    ('made', '', Cell(f'{record.written:%Y-%m-%d %H:%M}'), Cell(_moment(manifest.get('created')))),
  ]
  headings = (Heading('', numeric=False), Heading('this run'), Heading(f'version {version}'))
  body = tuple(Row((Cell(name, note=unit), this, other)) for name, unit, this, other in rows)
  return Table('This run and the version that served before', headings, body)


def _moment(created: object) -> str:
  """An ISO 8601 moment in UTC, for people."""
  return f'{str(created)[:16].replace("T", " ")} UTC' if created else MISSING


def _size(count: int | None) -> Cell:
  return figure(count, size(count))
