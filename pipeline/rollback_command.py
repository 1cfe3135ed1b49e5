"""What `farelite rollback` does: an earlier version serves again, and the store and a journal say why."""

from __future__ import annotations

import contextlib
import datetime

import click

from components.pusher.journal import Rollback
from components.pusher.restoring import RestoreError, restore
from configs.run import RunConfig
from pipeline import metadata_store, output_directory, pushes, recorded_config
from pipeline.output_directory import OutputDirectory

__all__ = ['RestoreError', 'run']


def run(directory: str, to: int | None, reason: str) -> None:
  """Rolls back and says what serves now.

  The store is asked which models these versions are, but not waited for: where it is down, the version is put back
  nevertheless and the next run enters it.

  Raises:
    RestoreError: there is nothing to put back.
    ConfigError, OutputError: `directory` is no output directory.
  """
  output = output_directory.at(directory)
  config = recorded_config.read(output)
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
      by=output_directory.person(),
      restored_manifest='',
      replaced_manifest='',
      restored_model=models.get(restored),
      replaced_model=models.get(replaced),
    )

  rollback = restore(output.serving, to, entry)
  click.echo(
    f'Version {rollback.version} serves now: the bytes of {rollback.restored}, in place of {rollback.replaced}. '
    f'Reason: {rollback.reason}'
  )
  _record(config, output)
  holder = output_directory.holder(output)
  if holder:
    click.echo(f'Mind that a run goes on and may push a newer version: {holder}.')


def _models(config: RunConfig, output: OutputDirectory) -> dict[int, int | None]:
  """Models by version, as far as the store can be asked."""
  with contextlib.suppress(metadata_store.MetadataStoreError, RuntimeError):
    store = metadata_store.open_store(config.metadata, output.metadata, create=False)
    return {version: push.model for version, push in pushes.pushes(store, config.name).items()}
  return {}


def _record(config: RunConfig, output: OutputDirectory) -> None:
  try:
    store = metadata_store.open_store(config.metadata, output.metadata)
    pushes.record_rollbacks(store, config.name, output.serving)
  except (metadata_store.MetadataStoreError, RuntimeError) as error:
    click.echo(f'The metadata store does not know it yet; the next run enters it. {error}')
