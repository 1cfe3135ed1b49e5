"""`farelite runs`, `rollback` and `prune`: what was run and made, an earlier version again, and what goes."""

from __future__ import annotations

import contextlib
import datetime
import errno
import pathlib
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import ml_metadata as mlmd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.pusher.rollback import Rollback, restore, skipped_lines
from components.ride_example_gen.spans import day_of
from configs import loading
from configs.amounts import amount, interval
from configs.base import shortened
from configs.errors import FailedError, UserError
from configs.loading import ConfigError
from configs.operations import StoreKind
from configs.run import RunConfig
from configs.texts import visible
from models.release import served_alteration
from models.served_versions import version_number
from pipeline.local import output as local_output
from pipeline.local.output import OutputDirectory
from pipeline.local.terminal import VisibleConsole, plain_table, right, show_table, whole
from pipeline.operations import registry
from pipeline.operations.registry import RUNNING, RunEntry, read_attempts
from pipeline.operations.store import UNUSABLE, open_store, place
from pipeline.options import print_json
from pipeline.summary_record import FailedStart

if TYPE_CHECKING:  # Both bring Arrow along, which a list of runs does without.
  from pipeline.operations.lineage import Provenance
  from pipeline.operations.retention import Removals

_COLORS = {'pushed': 'green', 'failed': 'red', 'anomalies': 'red', 'killed': 'red', RUNNING: 'cyan'}
_WIDTH = 240
"""Columns where there is no terminal."""


def list_runs(where: str | None, as_json: bool) -> None:
  """Lists the runs. Raises `UserError` where there is nothing to list."""
  config, output, store = opened(where)
  entries = read_attempts(store, config, output)
  if as_json:
    print_json([entry.model_dump() for entry in entries])
  elif not entries:
    click.echo(f"No run of '{config.name}' in {place(config.metadata, output.metadata)} yet; `farelite run` makes one.")
  else:
    console = _console()
    show_table(console, _table(entries, config))
    if altered := served_alteration(output.serving):
      console.print(f' [red]![/] {escape(altered)}')
    if output.failed_start.is_file():
      note = FailedStart.read(output.failed_start)
      console.print(f' [yellow]![/] A run that did not begin ({note.time[:16]}): {escape(note.reason)}')


def show(run: str, where: str | None, as_json: bool) -> None:
  """Shows the lineage of a run or of a version.

  Args:
    run: a run's id or its beginning, a version, or the path of a version.
    where: as of `list_runs`; by default what the path names.

  Raises `UserError` where there is nothing to show.
  """
  path = pathlib.Path(run).absolute()
  if where is None and path.parent.name == 'serving' and path.is_dir():
    run, where = path.name, str(path.parent.parent)
  elif where is None and path.exists():
    at = pathlib.Path(run).parent if path.name == 'serving' else run
    raise UserError(
      f"'{run}' says where, but the version or run is missing; name it first: farelite runs show RUN_OR_VERSION {at}"
    )
  from pipeline.operations.lineage import provenance

  config, output, store = opened(where)
  entry = _find(read_attempts(store, config, output), run, config)
  found = provenance(store, config, output, entry)
  if as_json:
    print_json(found.to_json())
  else:
    _show(found, config)


def opened(where: str | None) -> tuple[RunConfig, OutputDirectory, mlmd.MetadataStore]:
  """The config, the output directory and the store of an output directory or of a config.

  Raises: UserError: there is neither, or no store.
  """
  if where is not None and pathlib.Path(where).is_dir():
    output = local_output.at(where)
    config = recorded_config(output)
  elif where is not None and not loading.exists(where):
    raise UserError(f"There is neither an output directory nor a config file '{where}'. {loading.known_presets(where)}")
  else:
    config = loading.load(where)
    output = local_output.at(f'out/{config.name}')
    if where is None and config.metadata.kind is StoreKind.SQLITE and not output.metadata.is_file():
      raise UserError(
        f'No output directory or config was named, and the default, config {config.name}, has no metadata store '
        f"'{output.metadata}'; name the output directory or config of a run."
      )
  _warn_of_skipped_lines(output)
  return config, output, open_store(config.metadata, output.metadata, create=False)


def _warn_of_skipped_lines(output: OutputDirectory) -> None:
  for sentence in skipped_lines(output.serving):
    click.echo(visible(f'Mind: {sentence}'), err=True)


def recorded_config(output: OutputDirectory, overrides: Sequence[str] = ()) -> RunConfig:
  """The config of the last run. Raises `ConfigError` where there is none that this version of the code can read."""
  if not output.config.is_file():
    raise ConfigError(f"'{output.path}' holds no config.yaml; name the output directory of a run.")
  try:
    recorded = loading.load(str(output.config), kept=True)
  except ConfigError as error:
    raise ConfigError(f"'{output.config}' is not a config of this version of farelite. {error}") from None
  return loading.load(str(output.config), overrides, kept=True) if overrides else recorded


def _find(entries: Sequence[RunEntry], run: str, config: RunConfig) -> RunEntry:
  version = version_number(run)
  by_version = [entry for entry in entries if version is not None and entry.pushed_version == version]
  if by_version:  # The run that pushed it, not those that found it pushed.
    return by_version[0]
  by_id = [entry for entry in entries if entry.run.startswith(run)]
  if len(by_id) == 1:
    return by_id[0]
  if by_id:
    raise UserError(f"'{run}' begins {len(by_id)} runs of '{config.name}': {', '.join(e.run for e in by_id[:5])}.")
  raise UserError(f"'{config.name}' has no run and no version '{run}'; `farelite runs` lists what there is.")


def _console() -> Console:
  width = None if sys.stdout.isatty() else max(_WIDTH, shutil.get_terminal_size().columns)
  return VisibleConsole(highlight=False, soft_wrap=not sys.stdout.isatty(), width=width)


def _table(entries: Sequence[RunEntry], config: RunConfig) -> Table:
  table = plain_table(
    *whole('run', 'started (UTC)', 'status'),
    *right('rows', f'RMSE, trained model [95 %] ({config.dataset.currency})', no_wrap=True),
    *whole('variant', 'blessed', 'version', 'serves now'),
  )
  for entry in entries:
    color = _COLORS.get(entry.status, 'yellow')
    table.add_row(
      entry.run,
      entry.started[:16].replace('T', ' '),
      f'[{color}]{entry.status}[/]' + (' (pruned)' if entry.pruned else ''),
      '' if entry.rows_kept is None else f'{entry.rows_kept:,}',
      '' if entry.rmse is None else ' '.join(interval(entry.rmse, entry.rmse_low, entry.rmse_high)),
      entry.chosen or (f'bytes of {entry.restored_version}' if entry.restored_version else ''),
      {None: '', True: 'yes', False: 'no'}[entry.blessed],
      str(entry.pushed_version or ''),
      '[bold green]●[/]' if entry.serves else '',
    )
  return table


def _show(found: Provenance, config: RunConfig) -> None:
  console, entry = _console(), found.entry
  serves = ', serves now' if entry.serves else ''
  version = f', version {entry.pushed_version}{serves}' if entry.pushed_version else ''
  console.print(f'[bold]{entry.run}[/] of {entry.pipeline}: {entry.status}{version}')
  facts = Table.grid(padding=(0, 2))
  for name, text in _facts(found, config).items():
    facts.add_row(f'[dim]{name}[/]', escape(text))
  console.print(facts)
  for note in found.notes:
    console.print(f' [yellow]![/] {escape(note)}')
  table = plain_table(*whole('artifact', 'step', 'output', 'made by run', 'where'))
  for made in found.artifacts:
    gone = '' if made['there'] else ' (removed)'
    where = made['where'].removeprefix(f'{found.output}/')
    table.add_row(f'{made["id"]} {made["type"]}', made['step'], made['output'], made['run'], where + gone)
  show_table(console, table)


def _facts(found: Provenance, config: RunConfig) -> dict[str, str]:
  entry = found.entry
  rollback = f'the bytes of {entry.restored_version}, in place of {entry.replaced_version}'
  facts = {'reason': entry.reason or '', 'rollback': rollback if entry.restored_version else ''}
  for number, rides in enumerate(found.rides):
    rows = '' if rides['read'] is None else f': {rides["read"]:,} read, {rides["kept"]:,} kept'
    # Each name stands once in the table.
    indent = ' ' * (number + 1)
    facts['rides' if number == 0 else f'rides {number + 1}'] = f'{rides["source"]}{rows}'
    facts[f'{indent}files'] = shortened(rides['files'], 3)
    facts[f'{indent}digest'] = rides['digest'] or 'not recorded'
    name, text = _spans(rides)
    facts[f'{indent}{name}'] = text
  metrics = found.manifest.metrics if found.manifest else None
  if found.manifest and metrics and metrics.rmse and metrics.rides is not None and metrics.bytes is not None:
    whole = '' if metrics.drawn_from is None else f'of {metrics.drawn_from:,} '
    facts['model'] = (
      f'{found.manifest.variant}, RMSE {amount(metrics.rmse.value, config.dataset.currency, 3)} '
      f'on {metrics.rides:,} {whole}rides, {metrics.bytes:,} bytes'
    )
  facts['code'] = f'version {found.code_version}' if found.code_version else 'not recorded'
  facts['commit'] = found.git_commit or ''
  facts['config'] = f'sha256:{found.config_digest}, whole with --json' if found.config_digest else 'not recorded'
  return {name: text for name, text in {**facts, **found.other_models}.items() if text}


def _spans(rides: Mapping[str, Any]) -> tuple[str, str]:
  """What the spans of an ingestion are called, and which it read; TFX's number where their names are not known."""
  labels = rides['spans']
  if not labels:
    return 'span', '' if rides['span'] in (None, '0', 0) else str(rides['span'])
  name = 'day' if day_of(labels[0]) else 'span'
  if len(labels) == 1:
    return name, labels[0].removeprefix('span ')
  return f'{name}s', f'{labels[0]} to {labels[-1]} ({len(labels)} {name}s)'


def roll_back(directory: str, to: int | None, reason: str, as_json: bool = False) -> None:
  """Rolls back and prints what serves now.

  Where the store, which knows the versions' models, is down, the version is put back nevertheless and the next run
  enters it. Raises `RestoreError` where there is nothing to put back; `ConfigError` or
  `OutputError` where `directory` is no output directory.
  """
  output = local_output.at(directory)
  config = recorded_config(output)
  _warn_of_skipped_lines(output)
  models = _models(config, output)

  def entry(restored: int, replaced: int) -> Rollback:
    now = datetime.datetime.now(datetime.timezone.utc)
    return Rollback(
      id='',
      time=now.isoformat(timespec='seconds'),
      version=0,
      restored=restored,
      replaced=replaced,
      withdraws=True,
      reason=reason.strip(),
      by=local_output.person(),
      restored_manifest='',
      replaced_manifest='',
      restored_model=models.get(restored),
      replaced_model=models.get(replaced),
    )

  try:
    rollback = restore(output.serving, to, entry)
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
      raise
    raise FailedError(
      f"'{output.serving}' has no room for another version, so nothing was changed.",
      'Free some space, by farelite prune for instance, and call this again.',
    ) from None
  if as_json:
    print_json(rollback.to_dict())
  else:
    click.echo(
      f'Version {rollback.version} serves now: the bytes of {rollback.restored}, in place of {rollback.replaced}. '
      f'Reason: {rollback.reason}'
    )
  _record(config, output, as_json)
  if holder := local_output.holder(output):
    click.echo(f'Mind that a run goes on and may push a newer version: {holder}.', err=as_json)


def _models(config: RunConfig, output: OutputDirectory) -> dict[int, int | None]:
  """Models by version, where the store can be reached."""
  with contextlib.suppress(*UNUSABLE):
    store = open_store(config.metadata, output.metadata, create=False)
    return {version: push.model for version, push in registry.pushes(store, config.name).items()}
  return {}


def _record(config: RunConfig, output: OutputDirectory, as_json: bool) -> None:
  try:
    store = open_store(config.metadata, output.metadata)
    registry.record_rollbacks(store, config.name, output.serving)
  except UNUSABLE as error:
    reason = str(error).partition('\n')[0]
    click.echo(f'The metadata store does not know it yet; the next run enters it. {reason}', err=as_json)


def prune(directory: str, dry_run: bool, wait: bool, overrides: Sequence[str] = (), as_json: bool = False) -> None:
  """Removes what the limits say, or only lists it.

  Args: overrides: of the config, `retention.key=value`.
  """
  for override in overrides:
    if not override.strip().startswith('retention.'):
      raise UserError(f"--set of farelite prune takes limits alone, such as retention.runs=5, got '{override}'.")
  from pipeline.operations import retention

  output = local_output.at(directory)
  config = recorded_config(output, overrides)
  if not config.retention.limited:
    raise UserError(
      'Nothing limits what is kept: set retention.runs, retention.versions, retention.max_age_days or '
      'retention.reports in the config, or by --set.'
    )
  _warn_of_skipped_lines(output)
  with contextlib.nullcontext() if dry_run else local_output.locked(output, wait, elsewhere=False):
    store = open_store(config.metadata, output.metadata, create=False)
    planned, freed = _plan(store, config, output, record=not dry_run)
    text = _sentence(planned, freed, 'would remove' if dry_run else 'removed')
    if as_json:
      print_json(_as_json(planned, freed, output, dry_run))
    elif dry_run:
      _list(planned, output)
    if not dry_run:
      retention.prune(store, output, planned)
    if not as_json:
      click.echo(text)


def _as_json(planned: Removals, freed: int, output: OutputDirectory, dry_run: bool) -> dict[str, object]:
  """What goes, by kind; `removed` is false of what would only go."""
  return {
    'removed': not dry_run,
    'bytes': freed,
    'runs': len(planned.runs),
    'versions': [str(output.serving / str(version)) for version in planned.versions],
    'artifacts': [str(path) for path in planned.paths],
    'reports': [str(path) for path in planned.reports],
    'files': [str(path) for path in planned.files],
    'kept_artifacts': planned.kept_artifacts,
    'serves': planned.serves,
  }


def _plan(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory, record: bool) -> tuple[Removals, int]:
  """What the limits remove, and its bytes, while it is there. Args: record: whether rollbacks are entered before."""
  from pipeline.operations import retention

  if record:
    with contextlib.suppress(*UNUSABLE):  # A full disk has no room for them; the next run enters them.
      registry.record_rollbacks(store, config.name, output.serving)
  planned = retention.plan(store, config, output)
  versions = (output.serving / str(version) for version in planned.versions)
  return planned, _bytes([*planned.paths, *planned.files, *planned.reports, *versions])


def remove_expired(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> str:
  """Removes what the limits say; the caller holds the output directory.

  Returns what went and what stays, in one sentence.
  """
  from pipeline.operations import retention

  planned, freed = _plan(store, config, output, record=True)
  retention.prune(store, output, planned)
  return _sentence(planned, freed, 'removed')


def _sentence(planned: Removals, freed: int, verb: str) -> str:
  stays = f'version {planned.serves}, which serves, stays with all that it was made of' if planned.serves else ''
  removed = (
    f'{len(planned.artifacts)} artifacts of {len(planned.runs)} runs, {len(planned.versions)} versions, '
    f'{len(planned.reports)} kept reports and {len(planned.files)} logs and caches'
  )
  kept = f'{planned.kept_artifacts} artifacts stay' + (f'; {stays}.' if stays else '.')
  return f'{verb} {removed}, {freed / 1e6:.1f} MB; {kept}'


def _list(planned: Removals, output: OutputDirectory) -> None:
  pushed = [output.serving / str(version) for version in planned.versions]
  gone = {'version': pushed, 'artifact': planned.paths, 'file': planned.files, 'report': planned.reports}
  for kind, paths in gone.items():
    for path in paths:
      click.echo(f'  {kind:<8}  {path}')


def _bytes(folders: Iterable[pathlib.Path]) -> int:
  files = (path for folder in folders for path in (folder, *folder.rglob('*')))
  return sum(file.lstat().st_size for file in files if file.is_file())
