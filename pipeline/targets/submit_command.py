"""What `farelite submit` does: compile, check, hand over."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from rich.console import Console

from components.ride_example_gen.spans import has_spans
from pipeline import environment, log_files
from pipeline.data_source import DataSource, rides_of
from pipeline.targets.compile_command import compile_checked, load
from pipeline.targets.places import TargetError, platform_settings
from pipeline.targets.target import Target
from pipeline.window import resolve_window


def run(target: str, config: str | None, data: str | None, overrides: Sequence[str]) -> None:
  """Submits a run and says where to watch it.

  Raises:
    UserError: a user's mistake.
    SubmissionError: the backend refused, or can't be reached.
  """
  where = Target(target)
  resolved = load(config, data, overrides)
  platform = platform_settings(resolved.platform)
  with log_files.captured(pathlib.Path(os.devnull)) as console:
    source = rides_of(resolved.dataset)
    if where is Target.KFP:
      source = _with_spans(source, resolved.retraining.window, console)
    compiled = compile_checked(resolved, source, where, console)
    with console.status(f'submitting to {target} …'):
      if where is Target.VERTEX:
        from pipeline.targets import vertex_client

        submission = vertex_client.submit(compiled, platform)
      else:
        from pipeline.targets import kfp_client

        submission = kfp_client.submit(compiled, platform)
    console.print(f'{submission.name} is on its way: {submission.link}')


def _with_spans(source: DataSource, window: int | None, console: Console) -> DataSource:
  """The source with the spans that this run reads filled in, as no driver does so in the cluster."""
  if not has_spans(source.pattern):
    return source
  environment.prepare()
  import tensorflow as tf

  try:
    with console.status('looking for spans …'):
      source, found = resolve_window(source, window)
  except tf.errors.OpError as error:
    reason = error.message.splitlines()[0]
    raise TargetError(f"The spans below '{source.base}' can't be listed from here: {reason}") from None
  if found is not None:
    console.print(f'rides: {found.name()}')
  return source
