"""The config of the last run in an output directory. Needs no TFX, as rollbacks and clean-ups ask."""

from __future__ import annotations

from collections.abc import Sequence

from configs import loading
from configs.loading import ConfigError
from configs.run import RunConfig
from pipeline.local.output import OutputDirectory


def read(output: OutputDirectory, overrides: Sequence[str] = ()) -> RunConfig:
  """Reads `config.yaml` of an output directory.

  Args: overrides: `section.key=value` texts.
  Raises `ConfigError` where there is none, or this version of the code can't read it; `ConfigError` where an override
  is wrong.
  """
  if not output.config.is_file():
    raise ConfigError(f"'{output.path}' holds no config.yaml; name the output directory of a run.")
  try:
    recorded = loading.load(str(output.config))
  except loading.ConfigError as error:
    raise ConfigError(f"'{output.config}' is not a config of this version of farelite. {error}") from None
  return loading.load(str(output.config), overrides) if overrides else recorded
