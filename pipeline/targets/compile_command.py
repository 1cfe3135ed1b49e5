"""What `farelite compile` does: settings, compiler, linter, file."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Sequence

from rich.console import Console

from configs import loading
from configs.run import RunConfig
from pipeline import environment, log_files
from pipeline.data_source import DataSource, rides_of
from pipeline.options import overridden
from pipeline.targets.compiled import CompiledPipeline, check_suffix, write_compiled
from pipeline.targets.places import TargetError, platform_settings
from pipeline.targets.target import Target


def run(target: str, config: str | None, data: str | None, overrides: Sequence[str], output: str) -> None:
  """Writes the compiled pipeline to `output`.

  Raises:
    ConfigError, DataSourceError, TargetError: a user's mistake.
  """
  where = Target(target)
  check_suffix(output, where)
  resolved = load(config, data, overrides)
  with log_files.captured(pathlib.Path(os.devnull)) as console:
    compiled = compile_checked(resolved, rides_of(resolved.dataset), where, console)
    try:
      write_compiled(compiled, pathlib.Path(output))
    except OSError as error:
      raise TargetError(f"'{output}' can't be written: {error.strerror}.") from None
    tasks = len(compiled.spec['root']['dag']['tasks'])
    console.print(f'{output}: {compiled.name} for {target}, {tasks} tasks, schema {compiled.spec["schemaVersion"]}')


def load(config: str | None, data: str | None, overrides: Sequence[str]) -> RunConfig:
  """The resolved config; `data` overrides where the rides are."""
  return loading.load(config, overridden(overrides, data, None))


def compile_checked(config: RunConfig, source: DataSource, target: Target, console: Console) -> CompiledPipeline:
  """Compiles a config and refuses what the linter finds.

  Args:
    config: the whole run; its platform is completed from the environment.
    source: the rides.
    target: vertex or kfp.
    console: shows what is waited for.

  Raises:
    TargetError: one sentence per finding.
  """
  platform = platform_settings(config.platform)
  if importlib.util.find_spec('kfp') is None:
    raise TargetError("Cloud targets need Kubeflow's package, which is not installed: pip install 'farelite[kfp]'.")
  with console.status('loading TFX …'):
    environment.prepare()
    from pipeline.targets import kubeflow_compiler, kubeflow_lint
  compiled = kubeflow_compiler.compile_pipeline(config, source, platform, target)
  findings = kubeflow_lint.lint(compiled)
  if findings:
    raise TargetError(f'{target.value} would refuse this pipeline:\n' + '\n'.join(f'  - {one}' for one in findings))
  return compiled
