"""What `farelite submit` does: compile, check, hand over."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from pipeline import log_files
from pipeline.data_source import DataSourceError, rides_of
from pipeline.targets.compile_command import compile_checked, load
from pipeline.targets.places import platform_settings
from pipeline.targets.target import Target


def run(target: str, config: str | None, data: str | None, overrides: Sequence[str]) -> None:
  """Submits a run and says where to watch it.

  Raises:
    ConfigError, DataSourceError, TargetError: a user's mistake.
    SubmissionError: the backend refused, or can't be reached.
  """
  where = Target(target)
  resolved = load(config, data, overrides)
  platform = platform_settings(resolved.platform)
  with log_files.captured(pathlib.Path(os.devnull)) as console:
    source = rides_of(resolved.dataset)
    if where is Target.KFP:
      from components.ride_example_gen.errors import IngestionError
      from pipeline.window import resolve_window

      try:
        source, window = resolve_window(source, resolved.retraining.window)
      except IngestionError as error:
        raise DataSourceError(str(error)) from None
      if window is not None:
        console.print(f'rides: {window.name()}')
    compiled = compile_checked(resolved, source, where, console)
    with console.status(f'submitting to {target} …'):
      if where is Target.VERTEX:
        from pipeline.targets import vertex_client

        submission = vertex_client.submit(compiled, platform)
      else:
        from pipeline.targets import kfp_client

        submission = kfp_client.submit(compiled, platform)
    console.print(f'{submission.name} is on its way: {submission.link}')
