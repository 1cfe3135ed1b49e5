"""Removes what old runs left: artifacts, versions, logs and caches; never what serves, nor what it was made of."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Iterable, Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.pusher.rollback import origin, remove_versions, rollbacks
from configs.run import RunConfig
from models.served_versions import versions
from models.whole_files import delete, set_aside
from pipeline.local.output import SETTING_ASIDE, OutputDirectory, kept_runs
from pipeline.operations import registry
from pipeline.operations.lineage import TO_BEAT, ProducedArtifact, lineage, outputs_of_run
from pipeline.operations.registry import AGAIN, ROLLED_BACK, Push, RunEntry, pushes, read_runs
from pipeline.operations.store import UNUSABLE


@dataclasses.dataclass(frozen=True)
class Removals:
  """What a pruning removes.

  Attributes:
    runs: ids of the runs whose artifacts go, unless others need them; none that pushed a version that is kept.
    artifacts: their artifacts.
    versions: pushed versions.
    files: logs and caches that no run that is kept has written.
    kept_artifacts: number of artifacts that stay.
    serves: the version that serves; `None` if there is none.
    reports: folders of what is kept of runs.
  """

  runs: Sequence[str]
  artifacts: Sequence[mlmd_pb2.Artifact]
  versions: Sequence[int]
  files: Sequence[pathlib.Path]
  kept_artifacts: int
  serves: int | None
  reports: Sequence[pathlib.Path] = ()

  @property
  def paths(self) -> list[pathlib.Path]:
    """The folders of the artifacts; several artifacts may share one."""
    return sorted({_place(artifact) for artifact in self.artifacts})


def plan(
  store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory, now: datetime.datetime | None = None
) -> Removals:
  """What `prune` would remove; changes nothing.

  The newest run stays whatever the limits are: the next one goes on from its cache and compares its rides with it.

  Args: now: from when ages are counted, aware of its time zone.
  """
  now = now or datetime.datetime.now(datetime.timezone.utc)
  launched = [entry for entry in read_runs(store, config, output) if entry.status != ROLLED_BACK]
  kept = _kept_runs(launched, config, now)
  known = pushes(store, config.name)
  kept_versions = _kept_versions(output.serving, known, config, now)
  protected = _protected(store, kept, [known[version] for version in kept_versions if version in known])
  present = versions(output.serving)
  context = store.get_context_by_type_and_name('pipeline', config.name)
  artifacts = store.get_artifacts_by_context(context.id) if context else []
  needed = {_place(artifact) for artifact in artifacts if artifact.id in protected}
  needed |= {folder for place in needed for folder in place.parents}
  gone = [a for a in artifacts if _is_removable(a, output) and _place(a) not in needed]
  pushing = _pushing(launched, output.serving, kept_versions)
  runs = {entry.run for entry in kept} | pushing
  return Removals(
    runs=[entry.run for entry in launched if entry.run not in runs and not entry.pruned],
    artifacts=gone if launched else [],
    versions=[version for version in present if version not in kept_versions],
    files=_old_files(output, min(map(_began, kept), default=None)),
    kept_artifacts=sum(a.state == mlmd_pb2.Artifact.LIVE for a in artifacts) - len(gone),
    serves=present[-1] if present else None,
    reports=_old_reports(output, config, pushing),
  )


def prune(store: mlmd.MetadataStore, output: OutputDirectory, planned: Removals) -> None:
  """Carries a plan out; the caller holds the output directory. Killed half way, the next pruning goes on.

  An artifact's folder is renamed first, then the store knows, then the files go: at no time does the store name a
  folder that lacks a part of its files. What needs no room comes before the store, which has none on a full disk.
  """
  sweep(output)
  _delete_all(planned.files)
  _delete_all([renamed for path in planned.reports if (renamed := _set_aside(path))])
  remove_versions(output.serving, planned.versions)
  aside = [renamed for path in planned.paths if (renamed := _set_aside(path))]
  try:
    _record(store, planned)
  except UNUSABLE:
    _delete_all(aside)
    _record(store, planned)
  _delete_all(aside)


def _record(store: mlmd.MetadataStore, planned: Removals) -> None:
  for artifact in planned.artifacts:
    artifact.state = mlmd_pb2.Artifact.DELETED
  if planned.artifacts:
    store.put_artifacts(list(planned.artifacts))
  today = f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}'
  for run in planned.runs:
    registry.update(store, run, RunEntry(pruned=today))


def _delete_all(paths: Iterable[pathlib.Path]) -> None:
  for path in paths:
    delete(path)


def sweep(output: OutputDirectory) -> None:
  """Deletes what a killed pruning had set aside."""
  _delete_all(output.artifacts.glob(f'*/*/{SETTING_ASIDE}*') if output.artifacts.is_dir() else ())
  _delete_all(output.runs.glob(f'{SETTING_ASIDE}*') if output.runs.is_dir() else ())


def _kept_runs(launched: Sequence[RunEntry], config: RunConfig, now: datetime.datetime) -> list[RunEntry]:
  limits = config.retention
  kept = list(launched[-limits.runs :] if limits.runs else launched)
  if limits.max_age_days is not None:
    oldest = now - datetime.timedelta(days=limits.max_age_days)
    kept = [entry for entry in kept if _began(entry) >= oldest]
  return kept or list(launched[-1:])


def _began(entry: RunEntry) -> datetime.datetime:
  moment = datetime.datetime.fromisoformat(entry.started)
  return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _kept_versions(
  serving: pathlib.Path, known: dict[int, Push], config: RunConfig, now: datetime.datetime
) -> set[int]:
  """What serves, where its bytes were first, and the newest ones within the limits."""
  limits, present = config.retention, versions(serving)
  kept = set(present[-limits.versions :] if limits.versions else present)
  if limits.max_age_days is not None:
    oldest = now.timestamp() - 86_400 * limits.max_age_days
    kept = {version for version in kept if _pushed_at(serving, known, version) >= oldest}
  if present:
    kept |= {present[-1], origin(rollbacks(serving), present[-1])}
  return kept


def _pushing(launched: Iterable[RunEntry], serving: pathlib.Path, kept: Iterable[int]) -> set[str]:
  """The runs that pushed the versions that are kept, and not those that found them pushed."""
  happened = rollbacks(serving)
  first: dict[int | None, str] = {}
  for entry in launched:
    first.setdefault(entry.pushed_version, entry.run)
  return {first[version] for version in (origin(happened, version) for version in kept) if version in first}


def _old_reports(output: OutputDirectory, config: RunConfig, pushing: set[str]) -> list[pathlib.Path]:
  limits, there = config.retention, kept_runs(output)
  old = there[: -limits.reports] if limits.reports else []
  return [run.path for run in old if run.path.name not in pushing]


def _pushed_at(serving: pathlib.Path, known: dict[int, Push], version: int) -> float:
  """Unix seconds; of the file system where the store does not know the version."""
  if version in known:
    return float(known[version].artifact.create_time_since_epoch) / 1000
  return (serving / str(version)).stat().st_ctime


def _protected(store: mlmd.MetadataStore, kept: Iterable[RunEntry], pushed: Iterable[Push]) -> set[int]:
  """Ids of the artifacts that runs and versions which are kept have made, took from the cache, or descend from.

  Also of the evaluations in the runs that pushed these versions, which no version descends from: how good it is, slice
  by slice, is asked of what serves for as long as it serves.
  """
  roots = {push.artifact.id for push in pushed}
  ancestors = lineage(store, roots, skip=TO_BEAT)
  pushing = {made.run.removesuffix(AGAIN) for made in ancestors if made.artifact.id in roots}
  evaluations = {made.artifact.id for made in _outputs(store, pushing) if made.type in _EVALUATIONS}
  of_runs = {made.artifact.id for made in _outputs(store, {entry.run for entry in kept})}
  return of_runs | roots | evaluations | {made.artifact.id for made in ancestors}


_EVALUATIONS = frozenset({'ModelEvaluation', 'ModelBlessing'})
"""Types of what the evaluators make."""


def _outputs(store: mlmd.MetadataStore, runs: Iterable[str]) -> list[ProducedArtifact]:
  return outputs_of_run(store, [name for run in runs for name in (run, run + AGAIN)])


def _place(artifact: mlmd_pb2.Artifact) -> pathlib.Path:
  """Where its files really are: the store has the path that the run was given, by links or not."""
  return pathlib.Path(artifact.uri).resolve()


def _is_removable(artifact: mlmd_pb2.Artifact, output: OutputDirectory) -> bool:
  """Whether its files are there and where this pipeline writes; a user's own files stay."""
  return artifact.state == mlmd_pb2.Artifact.LIVE and output.artifacts.resolve() in _place(artifact).parents


def _old_files(output: OutputDirectory, since: datetime.datetime | None) -> list[pathlib.Path]:
  """Logs, unfinished trainings and finished lite files that were written before the oldest run that is kept."""
  if since is None:
    return []
  oldest = since.timestamp()
  folders = (output.logs, output.checkpoints, output.variants)
  # Behind a link are files of others, too.
  own = [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
  return sorted(path for folder in own for path in folder.iterdir() if path.lstat().st_mtime < oldest)


def _set_aside(path: pathlib.Path) -> pathlib.Path | None:
  target = path.with_name(f'{SETTING_ASIDE}{path.name}')
  try:
    set_aside(path, target)
  except FileNotFoundError:  # Removed by hand.
    return None
  return target
