"""What `farelite prune` does: says what goes, and removes it."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterable, Sequence

import click
import ml_metadata as mlmd

from configs.errors import UserError
from configs.run import RunConfig
from pipeline import metadata_store, output_directory, pushes, recorded_config, retention
from pipeline.output_directory import OutputDirectory
from pipeline.retention import Removals


def run(directory: str, dry_run: bool, wait: bool, overrides: Sequence[str] = ()) -> None:
  """Removes what the limits say, or only tells of it.

  Args:
    directory: an output directory.
    dry_run: whether nothing is removed.
    wait: whether to wait for a run that goes on there.
    overrides: of the config, `retention.key=value`.

  Raises:
    UserError: a user's mistake.
  """
  for override in overrides:
    if not override.strip().startswith('retention.'):
      raise UserError(f"--set of farelite prune takes limits alone, such as retention.runs=5, got '{override}'.")
  output = output_directory.at(directory)
  config = recorded_config.read(output, overrides)
  if not config.retention.limited:
    raise UserError(
      'Nothing limits what is kept: set retention.runs, retention.versions or retention.max_age_days in the config, or '
      'by --set.'
    )
  waiting = lambda holder: click.echo(f'Waiting for {holder} …', err=True)  # noqa: E731
  with contextlib.nullcontext() if dry_run else output_directory.locked(output, wait, waiting):
    store = metadata_store.open_store(config.metadata, output.metadata, create=False)
    if dry_run:
      planned = retention.plan(store, config, output)
      _list(planned, output)
      click.echo(_sentence(planned, output, 'would remove'))
    else:
      click.echo(prune(store, config, output))


def prune(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> str:
  """Removes what the limits say; the caller holds the output directory.

  Returns:
    What went and what stays, in one sentence.
  """
  pushes.record_rollbacks(store, config.name, output.serving)
  planned = retention.plan(store, config, output)
  text = _sentence(planned, output, 'removed')
  retention.prune(store, output, planned)
  return text


def _sentence(planned: Removals, output: OutputDirectory, verb: str) -> str:
  """Made before anything is gone, as it tells the size."""
  folders = [*planned.paths, *planned.files, *(output.serving / str(version) for version in planned.versions)]
  stays = f'version {planned.serves}, which serves, stays with all that it was made of' if planned.serves else ''
  return (
    f'{verb} {len(planned.artifacts)} artifacts of {len(planned.runs)} runs, {len(planned.versions)} versions and '
    f'{len(planned.files)} logs and caches, {_bytes(folders) / 1e6:.1f} MB; {planned.kept_artifacts} artifacts stay'
    + (f'; {stays}.' if stays else '.')
  )


def _list(planned: Removals, output: OutputDirectory) -> None:
  for version in planned.versions:
    click.echo(f'  version   {output.serving / str(version)}')
  for path in planned.paths:
    click.echo(f'  artifact  {path}')
  for path in planned.files:
    click.echo(f'  file      {path}')


def _bytes(folders: Iterable[pathlib.Path]) -> int:
  total = 0
  for folder in folders:
    if folder.is_file():
      total += folder.stat().st_size
    for parent, _, names in os.walk(folder):
      total += sum(pathlib.Path(parent, name).lstat().st_size for name in names)
  return total
