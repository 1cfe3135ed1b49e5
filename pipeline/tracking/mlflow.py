"""A run of MLflow for each run: settings, figures, files, and pushed versions as versions of a registered model."""

from __future__ import annotations

import datetime
import itertools
import json
import math
import os
import pathlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from configs import loading
from configs.base import Config
from configs.errors import FailedError
from configs.records import Estimate
from configs.run import RunConfig
from models.release import MANIFEST
from pipeline.local.output import OutputDirectory
from pipeline.summary_record import Status, Summary
from pipeline.tracking.times import began, ended

if TYPE_CHECKING:
  from mlflow.entities import Run
  from mlflow.tracking import MlflowClient

_PATIENCE = {
  'MLFLOW_HTTP_REQUEST_MAX_RETRIES': '2',
  'MLFLOW_HTTP_REQUEST_TIMEOUT': '30',
  # MLflow reports its own use to its makers otherwise.
  'MLFLOW_DISABLE_TELEMETRY': 'true',
}
"""What MLflow's client goes by where the environment says nothing: a server that is away must not hold a night up."""

_LONGEST_KEY, _LONGEST_PARAMETER, _LONGEST_TAG = 250, 6000, 8000
_PARAMETERS_AT_ONCE, _METRICS_AT_ONCE = 100, 1000
"""MLflow's own limits."""

_VERSION_FOLDER = 'version'
"""Of a run's artifacts: the pushed version, as it serves."""

_PUSHED_PATH = 'pushed_path'


def log(config: RunConfig, output: OutputDirectory, summary: Summary) -> str:
  """Logs a run that has ended.

  Returns the id that MLflow gave it. Raises `FailedError` where MLflow is not installed, and what its client raises.
  """
  settings = config.tracking.mlflow
  client = _client(settings.uri or '')
  run = _begun(client, settings.experiment or config.name, summary)
  number = run.info.run_id
  try:
    _log_figures(client, number, config, summary)
    _log_files(client, number, config, output, summary)
    if settings.registered_model is not None and summary.status is Status.PUSHED and summary.pushed_path:
      _register(client, settings.registered_model, run, summary)
  finally:
    finished = summary.status in (Status.PUSHED, Status.NOT_BLESSED)
    client.set_terminated(number, 'FINISHED' if finished else 'FAILED', _milliseconds(ended(summary)))
  return number


def _client(uri: str) -> MlflowClient:
  for name, value in _PATIENCE.items():
    os.environ.setdefault(name, value)
  try:
    from mlflow.tracking import MlflowClient
  except ImportError as error:
    raise FailedError(f'MLflow is not installed ({error}).', "Run pip install 'farelite[tracking]'.") from error
  return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _begun(client: MlflowClient, name: str, summary: Summary) -> Run:
  """A new run of an experiment, which is made if there is none of this name."""
  experiment = client.get_experiment_by_name(name)
  number = experiment.experiment_id if experiment else client.create_experiment(name)
  started = _milliseconds(began(summary))
  return client.create_run(number, start_time=started, tags=tags(summary), run_name=summary.run)


def _milliseconds(moment: datetime.datetime) -> int:
  return int(moment.timestamp() * 1000)


def tags(summary: Summary) -> dict[str, str]:
  """What a run of MLflow is found by."""
  found = {
    'status': summary.status.value,
    'reason': summary.reason,
    'farelite.run': summary.run,
    'pipeline': summary.name,
    'code_version': summary.code_version,
    'mlflow.source.git.commit': summary.git_commit,
    'data': summary.data,
    'output': summary.output,
    'chosen': summary.chosen,
    'pushed_version': summary.pushed_version,
    'served_version': summary.served_version,
  }
  return {key: _cut(value, _LONGEST_TAG) for key, value in found.items() if value}


def _cut(text: str, most: int) -> str:
  return text if len(text) <= most else f'{text[: most - 1]}…'


def _log_figures(client: MlflowClient, number: str, config: RunConfig, summary: Summary) -> None:
  from mlflow.entities import Metric, Param

  now = int(time.time() * 1000)
  settings = [Param(key, value) for key, value in parameters(config).items()]
  for some in _parts(settings, _PARAMETERS_AT_ONCE):
    client.log_batch(number, params=some)
  figures = [Metric(_key(name), value, now, 0) for name, value in metrics(summary) if math.isfinite(value)]
  for some in _parts(figures, _METRICS_AT_ONCE):
    client.log_batch(number, metrics=some)


def _parts(items: Iterable[Any], most: int) -> Iterator[list[Any]]:
  rest = iter(items)
  while some := list(itertools.islice(rest, most)):
    yield some


def parameters(config: Config) -> dict[str, str]:
  """Every setting of a resolved config by its dotted key; a recipe or a scheme is one, as JSON."""
  return {_key(name): _cut(_text(value), _LONGEST_PARAMETER) for name, value in _flat(config.model_dump(mode='json'))}


def _flat(values: Mapping[str, Any], above: str = '') -> Iterator[tuple[str, Any]]:
  for name, value in values.items():
    place = f'{above}.{name}' if above else name
    if isinstance(value, dict) and value:
      yield from _flat(value, place)
    elif isinstance(value, list) and value and all(isinstance(one, dict) and 'name' in one for one in value):
      yield from ((f'{place}.{one["name"]}', one) for one in value)
    else:
      yield place, value


def _text(value: Any) -> str:
  return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
  """A name as MLflow takes it: letters, digits, and a few signs."""
  return re.sub(r'[^\w./ -]', '_', name, flags=re.ASCII)[:_LONGEST_KEY]


def metrics(summary: Summary) -> Iterator[tuple[str, float]]:
  """Figures by name: errors with their intervals, rides, variants, differences from what serves, seconds of steps."""
  if summary.metrics is not None:
    yield from _estimate('rmse', summary.metrics.rmse)
    yield from _estimate('mae', summary.metrics.mae)
  yield from _estimate('served_rmse', summary.served_rmse)
  if summary.rmse_without_worst_5 is not None:
    yield 'rmse_without_worst_5', summary.rmse_without_worst_5
  if summary.rows is not None:
    yield from (('rows/read', summary.rows.read), ('rows/kept', summary.rows.kept))
    yield from ((f'rows/{split}', count) for split, count in summary.rows.splits.items())
    yield from ((f'quarantined/{reason}', count) for reason, count in summary.rows.quarantined.items())
  for variant in summary.variants:
    names = [f'variants/{variant.name}', *(['chosen'] if variant.name == summary.chosen else [])]
    for name in names:
      yield from ((f'{name}/{figure}', value) for figure, value in _of_a_variant(variant))
  if summary.shadow is not None:
    overall = summary.shadow.overall.to_dict()
    yield from ((f'shadow/{name}', value) for name, value in overall.items())
  yield from ((f'seconds/{step}', seconds) for step, seconds in summary.timings.items())


def _of_a_variant(variant: Any) -> Iterator[tuple[str, float]]:
  for name in ('rmse', 'rmse_ratio'):
    yield from _estimate(name, getattr(variant, name))
  for name in ('bytes', 'gzip_bytes', 'sparsity'):
    if getattr(variant, name) is not None:
      yield name, getattr(variant, name)
  if variant.latency_us is not None:
    yield from (('latency_us_p50', variant.latency_us.p50), ('latency_us_p99', variant.latency_us.p99))
  yield 'within_budget', float(variant.within_budget)


def _estimate(name: str, found: Estimate | None) -> Iterator[tuple[str, float]]:
  ends = {} if found is None else {name: found.value, f'{name}_low': found.low, f'{name}_high': found.high}
  return ((key, value) for key, value in ends.items() if value is not None)


def _log_files(client: MlflowClient, number: str, config: RunConfig, output: OutputDirectory, summary: Summary) -> None:
  """This run's own: where it failed before it had read its rides, the directory holds those of the run before it."""
  client.log_text(number, json.dumps(summary.to_dict(), indent=2, ensure_ascii=False) + '\n', output.summary.name)
  client.log_text(number, loading.dump(config), output.config.name)
  if not output.failed_start.is_file() and output.page.is_file():
    client.log_artifact(number, str(output.page))
  manifest = pathlib.Path(summary.pushed_path or '') / MANIFEST
  if summary.status is Status.PUSHED and summary.pushed_path and manifest.is_file():
    client.log_artifact(number, str(manifest))


def _register(client: MlflowClient, name: str, run: Run, summary: Summary) -> None:
  """Makes the pushed version one of a registered model; once, as a run out of the cache names it again."""
  from mlflow.exceptions import MlflowException

  assert summary.pushed_path is not None
  try:
    client.get_registered_model(name)
  except MlflowException as error:
    if error.error_code != 'RESOURCE_DOES_NOT_EXIST':
      raise
    client.create_registered_model(name, description='Versions that Farelite pushed.')
  known = client.search_model_versions(f"name='{name}'")
  if any(version.tags.get(_PUSHED_PATH) == summary.pushed_path for version in known):
    return
  client.log_artifacts(run.info.run_id, summary.pushed_path, _VERSION_FOLDER)
  client.create_model_version(
    name,
    f'{run.info.artifact_uri}/{_VERSION_FOLDER}',
    run.info.run_id,
    tags={**tags(summary), _PUSHED_PATH: summary.pushed_path},
    description=summary.reason,
  )
