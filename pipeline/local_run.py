"""One run on this machine, from a checked config to `summary.json`."""

from __future__ import annotations

import datetime
import pathlib
import uuid
from typing import Any

from configs.run import RunConfig
from pipeline import summary
from pipeline.code_version import code_version
from pipeline.dag import Places, build_pipeline
from pipeline.data_source import DataSource
from pipeline.errors import failure_sentence, root_cause
from pipeline.local_runner import run_locally
from pipeline.output_directory import OutputDirectory
from pipeline.steps import Step, StepFailedError, StepObserver, StepState, output_of


def run(config: RunConfig, source: DataSource, output: OutputDirectory, observer: StepObserver) -> dict[str, Any]:
  """Runs the whole pipeline and writes its summary, whatever happens.

  Args:
    config: what to run.
    source: the rides.
    output: where everything goes.
    observer: is told of each step.

  Returns:
    The summary, as written to `output.summary`.
  """
  steps: list[Step] = []
  after: dict[str, list[str]] = {}
  failure, anomalies = None, False
  started = datetime.datetime.now(datetime.timezone.utc)
  try:
    _run_steps(config, source, output, observer, steps, after)
  except StepFailedError as error:
    failure = failure_sentence(error.step, error)
    anomalies = type(root_cause(error)).__name__ == 'AnomaliesFound'
  result = summary.summarize(config, steps, failure, anomalies, after)
  result |= {
    'started': started.isoformat(timespec='seconds'),
    'data': f'{source.base}/{source.pattern}',
    'config': str(output.config),
  }
  result['code_version'] = code_version('configs', 'transforms', 'models', 'components')
  try:
    summary.write(result, output.summary)
  except OSError as error:  # A full disk; what happened is still told on the terminal.
    result['reason'] += f' {output.summary} could not be written: {error.strerror}.'
  return result


def fail(config: RunConfig, output: OutputDirectory, reason: str) -> None:
  """Writes the summary of a run that ended before its first step."""
  summary.write(summary.summarize(config, [], reason, anomalies=False, after={}), output.summary)


def _run_steps(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  observer: StepObserver,
  steps: list[Step],
  after: dict[str, list[str]],
) -> None:
  places = Places(
    root=str(output.artifacts),
    serving=str(output.serving),
    checkpoints=str(output.checkpoints),
    variants=str(output.variants),
  )
  pipeline = build_pipeline(config, source, places, str(output.metadata))
  after |= {node.id: sorted(upstream.id for upstream in node.upstream_nodes) for node in pipeline.components}
  run_locally(pipeline, observer, steps)
  if _push_is_outdated(steps, output.serving):
    # The cache knows that this model was pushed once, not that another one has taken its place since.
    again = build_pipeline(config, source, places, str(output.metadata), push_nonce=uuid.uuid4().hex)
    repeated: list[Step] = []
    run_locally(again, observer, repeated)
    steps[-1] = repeated[-1]


def _push_is_outdated(steps: list[Step], serving: pathlib.Path) -> bool:
  """Whether the push came from the cache and is not the newest version in the push destination."""
  if steps[-1].state is not StepState.CACHED:
    return False
  pushed = output_of(steps, 'Pusher', 'pushed_model')
  if pushed is None or not pushed.properties.get('pushed'):
    return False
  versions = [int(path.name) for path in serving.iterdir() if path.name.isdigit()] if serving.is_dir() else []
  return not versions or str(max(versions)) != pushed.properties.get('pushed_version')
