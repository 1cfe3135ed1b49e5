"""An output directory with runs that never ran: real files, real versions, and ML Metadata's own records of them.

Each run has the steps that lineage and retention are about: rides, model, gate, push. A run may take its rides from
the cache of an earlier one.
"""

from __future__ import annotations

import datetime
import hashlib
import pathlib

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.ride_example_gen.quarantine import COUNTS_FILE, RideCounts
from configs import loading
from models.release import Manifest, write_manifest
from pipeline.local import output
from pipeline.operations import registry, store
from pipeline.summary_record import Status, Summary

BYTES = {'saved_model.pb': b'graph', 'model.tflite': b'lite'}
Inputs = list[tuple[str, mlmd_pb2.Artifact]]
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)


class MadeStore:
  """An output directory and its store; `run` adds a run."""

  def __init__(self, path: pathlib.Path, *overrides: str, name: str = 'nyc') -> None:
    self.output = output.prepare(str(path))
    self.config = loading.load('nyc', [f'name={name}', *overrides])
    self.output.config.write_text(loading.dump(self.config))
    self.store: mlmd.MetadataStore = store.open_store(self.config.metadata, self.output.metadata)
    self.runs: list[str] = []
    self.rides: dict[str, list[mlmd_pb2.Artifact]] = {}
    self.models: dict[str, mlmd_pb2.Artifact] = {}
    self.pushes: dict[str, mlmd_pb2.Artifact] = {}

  def run(
    self,
    version: int | None = None,
    rides_of: str | None = None,
    baseline_of: str | None = None,
    started: datetime.datetime | None = None,
  ) -> str:
    """Adds a run.

    Args:
      version: what it pushes; `None` for a run that was not blessed.
      rides_of: the run whose rides it takes from the cache.
      baseline_of: the run whose push it was compared with.
      started: an hour after the one before by default.
    """
    started = started or NOON + datetime.timedelta(hours=len(self.runs))
    digest = hashlib.sha256(f'{self.config.name} {len(self.runs)}'.encode()).hexdigest()
    run = f'{started:%Y%m%d-%H%M%S}-{digest[:6]}'
    facts = registry.RunEntry(
      pipeline=self.config.name,
      started=started.isoformat(),
      output=str(self.output.path),
      config=f'run: {run}\n',
      code_version=f'code of {run}',
    )
    registry.begin(self.store, run, facts)
    rides = self._rides(run, rides_of)
    served = [('served_push', self.pushes[baseline_of])] if baseline_of else []
    [model] = self._step(run, 'PruningTrainer', [('examples', rides[0])], {'model': 'Model'})
    self._step(run, 'FareEvaluator', [('model', model)], {'evaluation': 'ModelEvaluation', 'blessing': 'ModelBlessing'})
    inputs = [('trained', model), *served]
    small, blessing = self._step(run, 'CompressionGate', inputs, {'model': 'Model', 'blessing': 'ModelBlessing'})
    if version is not None:
      self._push(run, version, model, [('model', small), ('model_blessing', blessing)])
    summary = Summary(
      status=Status.PUSHED if version else Status.NOT_BLESSED,
      blessed=version is not None,
      pushed_version=str(version) if version else None,
    )
    registry.update(self.store, run, registry.outcome(summary))
    self.runs.append(run)
    self.rides[run], self.models[run] = rides, model
    return run

  def folder(self, step: str, key: str, run: str) -> pathlib.Path:
    """Where an output of a run lies."""
    return self.output.artifacts / step / key / run

  def _rides(self, run: str, rides_of: str | None) -> list[mlmd_pb2.Artifact]:
    if rides_of:
      cached = list(zip(('examples', 'quarantine'), self.rides[rides_of], strict=True))
      self._record(run, 'RideExampleGen', [], cached, mlmd_pb2.Execution.CACHED)
      return self.rides[rides_of]
    outputs = {'examples': 'Examples', 'quarantine': 'components.Quarantine'}
    rides = self._step(run, 'RideExampleGen', [], outputs)
    counts = RideCounts(read=10, kept=10, splits={'train': 8, 'eval': 2}, files=(f'/rides/{run}.csv',))
    self.folder('RideExampleGen', 'quarantine', run).joinpath(COUNTS_FILE).write_text(counts.to_json())
    registry.set_properties(rides[0], {'input_fingerprint': f'sha256:{run}', 'span': 7})
    self.store.put_artifacts(rides[:1])
    return rides

  def _push(self, run: str, version: int, model: mlmd_pb2.Artifact, inputs: Inputs) -> None:
    [pushed] = self._step(run, 'Pusher', inputs, {'pushed_model': 'PushedModel'})
    path = make_version(self.output.serving / str(version), content=run)
    properties = {
      'pushed': 1,
      'pushed_version': str(version),
      'pushed_destination': str(path),
      'evaluated_model_id': model.id,
    }
    registry.set_properties(pushed, properties)
    self.store.put_artifacts([pushed])
    self.pushes[run] = pushed

  def _step(self, run: str, step: str, inputs: Inputs, outputs: dict[str, str]) -> list[mlmd_pb2.Artifact]:
    made = []
    for key, kind in outputs.items():
      folder = self.folder(step, key, run)
      folder.mkdir(parents=True)
      (folder / 'data').write_text(f'{key} of {run}')
      type_id = self.store.put_artifact_type(mlmd_pb2.ArtifactType(name=kind))
      made.append(mlmd_pb2.Artifact(type_id=type_id, uri=str(folder), state=mlmd_pb2.Artifact.LIVE))
    self._record(run, step, inputs, list(zip(outputs, made, strict=True)), mlmd_pb2.Execution.COMPLETE)
    return made

  def _record(
    self,
    run: str,
    step: str,
    inputs: Inputs,
    outputs: Inputs,
    state: mlmd_pb2.Execution.State,
  ) -> None:
    kind = self.store.put_execution_type(mlmd_pb2.ExecutionType(name=step))
    execution = mlmd_pb2.Execution(type_id=kind, last_known_state=state)
    names = {'pipeline': self.config.name, 'pipeline_run': run, 'node': f'{self.config.name}.{step}'}
    contexts = [
      mlmd_pb2.Context(name=name, type_id=self.store.put_context_type(mlmd_pb2.ContextType(name=type_name)))
      for type_name, name in names.items()
    ]
    pairs = [(artifact, _event(key, mlmd_pb2.Event.INPUT)) for key, artifact in inputs]
    pairs += [(artifact, _event(key, mlmd_pb2.Event.OUTPUT)) for key, artifact in outputs]
    _, ids, _ = self.store.put_execution(execution, pairs, contexts, reuse_context_if_already_exist=True)
    for (artifact, _), number in zip(pairs, ids, strict=True):
      artifact.id = number


def make_version(path: pathlib.Path, content: str) -> pathlib.Path:
  """A pushed version with a manifest that holds; another content gives other bytes."""
  for name, data in {**BYTES, 'variables/data': content.encode()}.items():
    file = path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
  facts = {'dataset': 'nyc', 'inputs': (), 'recipe': 'dense', 'scheme': 'int8', 'variant': 'dense.int8'}
  metrics = {'rmse': {'value': 4.4}, 'rides': 2, 'bytes': 4}
  write_manifest(path, Manifest(**facts, metrics=metrics, code_version=content))
  return path


def _event(key: str, kind: mlmd_pb2.Event.Type) -> mlmd_pb2.Event:
  event = mlmd_pb2.Event(type=kind)
  event.path.steps.add().key = key
  event.path.steps.add().index = 0
  return event
