"""Which rides, which code and which config made a version, out of ML Metadata and the version's manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_metadata as mlmd

from components.pusher.restoring import RestoreError, verified_manifest
from components.ride_example_gen.counts import COUNTS_FILE, RideCounts
from configs.run import RunConfig
from models.manifest import Manifest
from pipeline.lineage import COMPARED, Made, lineage, outputs_of_run, properties
from pipeline.output_directory import OutputDirectory
from pipeline.pushes import pushes
from pipeline.run_registry import AGAIN, RunEntry
from pipeline.runs import read_runs

_INGESTION = 'RideExampleGen'


@dataclasses.dataclass(frozen=True)
class Provenance:
  """What a run or a version was made of.

  Attributes:
    entry: the run that was asked for, or the rollback.
    output: the output directory.
    rides: one mapping per ingestion: `source`, `files`, `digest`, `span`, `read`, `kept`, `quarantined`.
    artifacts: `id`, `type`, `step`, `output`, `run`, `where` and `there`, in the order of their making.
    manifest: of the version; `None` where it can't be read.
    code_version: of the run that made it.
    config: the same run's, as YAML.
    config_digest: SHA-256 of that.
    other_models: the models it was compared with or started from, by what for.
    notes: what is not as it should be, such as a file that was altered.
  """

  entry: RunEntry
  output: str
  rides: Sequence[Mapping[str, Any]]
  artifacts: Sequence[Mapping[str, Any]]
  manifest: Manifest | None
  code_version: str | None
  config: str | None
  config_digest: str | None
  other_models: Mapping[str, str]
  notes: Sequence[str]

  def to_json(self) -> dict[str, Any]:
    """Everything, as JSON knows it."""
    manifest = self.manifest.to_dict() if self.manifest else {}
    return dataclasses.asdict(self) | {'entry': self.entry.model_dump(), 'manifest': manifest}


def provenance(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory, entry: RunEntry) -> Provenance:
  """Follows ML Metadata from a run's push, or from all that it made, to the rides.

  Args:
    store: the metadata store.
    config: names the pipeline.
    output: where the version lies.
    entry: a run or a rollback.
  """
  push = pushes(store, config.name).get(entry.pushed_version or 0)
  if push is not None:
    everything = lineage(store, [push.artifact.id])
    own = lineage(store, [push.artifact.id], skip=COMPARED)
  else:
    everything = own = outputs_of_run(store, [entry.run, entry.run + AGAIN])
  maker = _maker(read_runs(store, config, output), own, entry)
  manifest, notes = _manifest(output, entry)
  return Provenance(
    entry=entry,
    output=str(output.path),
    rides=[_rides(made, own) for made in own if made.step == _INGESTION and made.key == 'examples'],
    artifacts=[_artifact(made) for made in own],
    manifest=manifest,
    code_version=maker.code_version,
    config=maker.config,
    config_digest=hashlib.sha256(maker.config.encode()).hexdigest() if maker.config else None,
    other_models=_other_models(everything, own),
    notes=notes,
  )


def _maker(entries: Sequence[RunEntry], own: Sequence[Made], entry: RunEntry) -> RunEntry:
  """The run that trained what is in the version; the asked one if that is not known."""
  trained = next((made.run for made in own if made.step == 'PruningTrainer'), None)
  pushed = next((made.run for made in own if made.step == 'Pusher'), trained)
  return next((one for one in entries if one.run == (pushed or '').removesuffix(AGAIN)), entry)


def _rides(made: Made, others: Sequence[Made]) -> dict[str, Any]:
  """What an ingestion read; the counts lie in the quarantine beside the rides."""
  counts = None
  for other in others:
    file = pathlib.Path(other.artifact.uri, COUNTS_FILE)
    if other.execution.id == made.execution.id and other.key == 'quarantine' and file.is_file():
      counts = RideCounts.from_json(file.read_text(encoding='utf-8'))
  told = properties(made.artifact)
  return {
    'source': _source(made),
    'files': list(counts.files) if counts else [],
    'digest': told.get('input_fingerprint') or made.parameter('input_fingerprint'),
    'span': told.get('span', made.parameter('span')),
    'read': counts.read if counts else None,
    'kept': counts.kept if counts else None,
    'quarantined': counts.quarantined if counts else None,
  }


def _source(made: Made) -> str:
  """The base and the pattern, with the span filled in."""
  base = str(made.parameter('input_base') or '')
  try:
    splits = json.loads(made.parameter('input_config') or '{}')['splits']
  except (KeyError, ValueError):
    return base
  return ', '.join(f'{base}/{split["pattern"]}' for split in splits)


def _artifact(made: Made) -> dict[str, Any]:
  return {
    'id': made.artifact.id,
    'type': made.type,
    'step': made.step,
    'output': made.key,
    'run': made.run.removesuffix(AGAIN),
    'where': made.artifact.uri,
    'there': made.live,
  }


def _manifest(output: OutputDirectory, entry: RunEntry) -> tuple[Manifest | None, list[str]]:
  if entry.pushed_version is None:
    return None, []
  version = output.serving / str(entry.pushed_version)
  if not version.is_dir():
    return None, [f"Version {entry.pushed_version} is not in '{output.serving}' any more."]
  try:
    return verified_manifest(version), []
  except RestoreError as error:
    return None, [str(error)]


def _other_models(everything: Sequence[Made], own: Sequence[Made]) -> dict[str, str]:
  """Models of the lineage that this one was compared with, or that it started from."""
  mine = {made.artifact.id for made in own}
  others = [made for made in everything if made.type == 'Model' and made.artifact.id not in mine]
  return {'other models': ', '.join(f'{made.artifact.id} of run {made.run}' for made in others)}
