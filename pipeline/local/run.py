"""One run on this machine, from a checked config to `summary.json`, and in one sentence why it failed."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import pathlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ml_metadata as mlmd

from components.pusher.component import AlteredModelError
from components.pusher.rollback import manifest_digest, skipped_lines
from components.ride_validator.findings import AnomaliesError
from configs import loading
from configs.beam import INGESTION
from configs.run import RunConfig
from models.release import served_alteration
from models.served_versions import served_version
from pipeline.code_version import git_commit, run_version
from pipeline.dag import AHEAD, BESIDE, build_pipeline
from pipeline.errors import failure_sentence, interrupted_by, root_cause, with_advice
from pipeline.local import summary, unchanged
from pipeline.local.ahead import WorkAhead
from pipeline.local.output import OutputDirectory
from pipeline.local.runner import ObservedLocalRunner, StepFailedError
from pipeline.local.steps import Step, StepObserver, StepState, next_step, output_of
from pipeline.operations import registry, retention
from pipeline.operations.retention import Removals
from pipeline.operations.store import connection_config, open_store
from pipeline.retraining.triggers import Verdict
from pipeline.sources import DataSource
from pipeline.summary_record import REGISTRY, Status, Summary, WindowRecord, begin, write_failed_start
from pipeline.targets import Places


def run(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  observer: StepObserver,
  window: WindowRecord | None = None,
  triggers: Sequence[Verdict] = (),
  notes: Sequence[str] = (),
  start: float | None = None,
  work_ahead: WorkAhead | None = None,
) -> Summary:
  """Runs the whole pipeline and writes its summary, or a note where it failed before it had read its rides.

  Args:
    window: what is read, of a run on a window.
    triggers: why such a run is made.
    notes: sentences that go before the summary's own notes.
    start: when the command began with this run, by `time.monotonic`; the call itself where nothing is given.
    work_ahead: converts recipes, and runs their files, while others are trained.

  Returns the summary, be it written or not. Raises `MetadataStoreError` where the metadata store can't be
  used.
  """
  started, start = datetime.datetime.now(datetime.timezone.utc), time.monotonic() if start is None else start
  if not output.summary.is_file():
    begin(config, output)  # There is no run before this one whose config it could be.
  store = open_store(config.metadata, output.metadata)
  registry.claim(store, config, output)
  registry.record_rollbacks(store, config.name, output.serving)
  run_id = registry.new_run_id(started)
  facts = registry.RunEntry(
    pipeline=config.name,
    started=started.isoformat(timespec='seconds'),
    data=f'{source.base}/{source.pattern}',
    output=str(output.path),
    code_version=run_version(),
    git_commit=git_commit(),
    config=loading.dump(config),
  )
  registry.begin(store, run_id, facts)
  altered = served_alteration(output.serving)
  broken = window.broken if window else {}
  with _interruption_recorded(store, run_id):
    beginning = _Begin(observer, config, output, broken)
    steps, after, error = _run_steps(config, source, output, run_id, beginning, work_ahead)
  failure = failure_sentence(error.step, error) if error else None
  cause = root_cause(error) if error else None
  anomalies = isinstance(cause, AnomaliesError)
  # What was pushed serves, whatever a registry says to it.
  is_pushed = error is not None and error.step == REGISTRY and not _push_is_outdated(steps, output.serving)
  result = summary.summarize(config, steps, None if is_pushed else failure, anomalies, after)
  if is_pushed:
    result = result.model_copy(update={'reason': f'{failure} {result.reason}', 'not_registered': failure})
  if isinstance(cause, AnomaliesError):  # TFX has removed the gate's output.
    result = result.model_copy(update={'findings': summary.finding_records(cause.findings)})
  result = _name_what_serves(result, steps, output.serving)
  notes = (*notes, *skipped_lines(output.serving), *_said_of_what_serves(altered, output.serving), *result.notes)
  of_the_run: dict[str, Any] = {'run': run_id, 'config': str(output.config), 'notes': notes}
  examples = output_of(steps, INGESTION, 'examples')
  if examples and not error:
    rides = examples.properties.get('input_fingerprint')
    of_the_run |= {'made_of': unchanged.made_of(config, output, str(rides))}
  if window is not None:
    of_the_run |= {'ended_early': False, 'window': window, 'triggers': tuple(triggers)}
  of_the_run['seconds'] = round(time.monotonic() - start, 3)
  result = result.model_copy(update=facts.properties() | of_the_run)
  try:
    if examples:
      result.write(output.summary)
    else:
      write_failed_start(config, output, result)
  except OSError as error:  # A full disk; the terminal still shows what happened.
    lost = f'{result.reason} {output.summary} could not be written: {error.strerror}.'
    result = result.model_copy(update={'reason': lost})
  try:
    registry.update(store, run_id, registry.outcome(result))
  except Exception as error:  # The store went away; the run is not lost with its entry.
    logging.getLogger(__name__).exception('The outcome of the run could not be recorded.')
    note = f'The outcome could not be recorded in the metadata store: {error}'
    result = result.model_copy(update={'notes': (*result.notes, note)})
  return result


@contextlib.contextmanager
def _interruption_recorded(store: mlmd.MetadataStore, run_id: str) -> Iterator[None]:
  """Where a signal ends the run, which has nobody else to say so, the store gets to know."""
  try:
    yield
  except KeyboardInterrupt as error:
    ended = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
    reason = f'The run was {interrupted_by(error)}.'
    with contextlib.suppress(Exception):  # Without the store it is shown as killed.
      registry.update(store, run_id, registry.RunEntry(status=Status.FAILED.value, ended=ended, reason=reason))
    raise


@dataclasses.dataclass(frozen=True)
class _Begin:
  """An observer that makes the output directory this run's when the rides have been read, and not before.

  Attributes: broken: why, by label, of the newest span, which no run can use, whatever the others of its window dilute.
  """

  observer: StepObserver
  config: RunConfig
  output: OutputDirectory
  broken: Mapping[str, str]

  def started(self, name: str) -> None:
    """See `StepObserver`."""
    self.observer.started(name)

  def ended(self, step: Step) -> None:
    """See `StepObserver`; raises `StepFailedError` where the config can't be written, or the newest span is broken."""
    self.observer.ended(step)
    if output_of([step], INGESTION, 'examples'):
      try:
        begin(self.config, self.output)
      except OSError as error:
        raise StepFailedError(step.name) from error
      for label, why in self.broken.items():
        fix = 'Mend its files, or leave it out by retraining.exclude.'
        raise StepFailedError(step.name) from AnomaliesError(f'The newest span, {label}, is broken: {why} {fix}')


def _run_steps(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  run_id: str,
  observer: StepObserver,
  work_ahead: WorkAhead | None,
) -> tuple[list[Step], dict[str, list[str]], StepFailedError | None]:
  """The steps that ended, the names of those that each one waits for, and the failure, if any."""
  places = Places(
    root=str(output.artifacts),
    serving=str(output.serving),
    checkpoints=str(output.checkpoints),
    variants=str(output.variants),
  )
  connection = connection_config(config.metadata, output.metadata)
  pipeline = build_pipeline(config, source, places)
  after = {node.id: sorted(upstream.id for upstream in node.upstream_nodes) for node in pipeline.components}
  steps: list[Step] = []
  try:
    ObservedLocalRunner(connection, run_id, observer, steps, BESIDE, AHEAD, work_ahead).run(pipeline)
    if _push_is_outdated(steps, output.serving):
      # The cache knows that this model was pushed once, not that another one has taken its place since.
      again = build_pipeline(config, source, places, push_nonce=uuid.uuid4().hex)
      repeated: list[Step] = []
      ObservedLocalRunner(connection, run_id + registry.AGAIN, observer, repeated, BESIDE).run(again)
      first = _place_of_push(steps)
      steps[first:] = repeated[first:]
  except KeyboardInterrupt as error:
    step = next_step([node.id for node in pipeline.components], steps)
    raise with_advice(error, f'run it again, it goes on {f"at step {step}" if step else "where it was"}') from error
  except StepFailedError as error:
    if isinstance(root_cause(error), AlteredModelError):
      _discard_model(steps, open_store(config.metadata, output.metadata), output)
    return steps, after, error
  return steps, after, None


def _discard_model(steps: list[Step], store: mlmd.MetadataStore, output: OutputDirectory) -> None:
  """Removes the gate's model, which was altered since: the next run finds none in the cache and makes it again."""
  judged = output_of(steps, 'CompressionGate', 'model')
  assert judged is not None  # Or there was nothing to push.
  artifacts = store.get_artifacts_by_uri(judged.uri)
  removals = Removals(runs=[], artifacts=artifacts, versions=[], files=[], kept_artifacts=0, serves=None)
  retention.prune(store, output, removals)


def _name_what_serves(result: Summary, steps: list[Step], serving: pathlib.Path) -> Summary:
  """The pushed bytes may serve under a newer number than the push had, since a rollback put them back."""
  pushed, serves = output_of(steps, 'Pusher', 'pushed_model'), served_version(serving)
  if pushed and result.pushed_path and serves is not None and str(serves) != result.pushed_version:
    newest = serving / str(serves)
    if manifest_digest(newest) == manifest_digest(pushed.uri):
      return result.model_copy(update={'pushed_path': str(newest), 'pushed_version': newest.name})
  return result


def _said_of_what_serves(before: str | None, serving: pathlib.Path) -> tuple[str, ...]:
  """A note on a served version that was altered. Args: before: why what served before this run was not as pushed."""
  now = served_alteration(serving)
  if now is not None:
    return (f'{now} It goes on serving, as this run has pushed no other.',)
  return (f'{before} Version {served_version(serving)} has taken its place.',) if before else ()


def _place_of_push(steps: list[Step]) -> int:
  """Where among the steps of a finished run the push stands; only what goes by the push comes after it."""
  return [step.name for step in steps].index('Pusher')


def _push_is_outdated(steps: list[Step], serving: pathlib.Path) -> bool:
  """Whether the push came from the cache and has to be made, or refused, anew: its bytes are not what serves now."""
  if steps[_place_of_push(steps)].state is not StepState.CACHED:
    return False
  pushed = output_of(steps, 'Pusher', 'pushed_model')
  if pushed is not None and pushed.properties.get('withdrawn'):
    return True  # The rollback that was in its way may have been taken back since.
  if pushed is None or not pushed.properties.get('pushed'):
    return False
  serves = served_version(serving)
  if serves is None or manifest_digest(serving / str(serves)) != manifest_digest(pushed.uri):
    return True
  return served_alteration(serving) is not None
