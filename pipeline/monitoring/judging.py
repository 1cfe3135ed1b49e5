"""The errors of rides whose fares came in later, by day and by slice, against what the gate promised."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence

import numpy as np

from components.compression_gate.rides import EvalRides, eval_rides
from configs.amounts import amount
from configs.base import shortened
from configs.columns import TIME
from configs.dataset import EPOCH
from configs.errors import UserError
from configs.evaluation import Evaluation
from configs.records import Estimate
from configs.run import RunConfig
from models.error_intervals import ResampledSums, widened
from models.release import find_pushed
from pipeline.local.output import OutputDirectory
from pipeline.monitoring.later_fares import LaterFares
from pipeline.monitoring.verdict import MonitoringRecord, RideGroup
from pipeline.report.comparison import ALL_RIDES, errors_by_slice
from pipeline.report.kept import pushed_by
from pipeline.report.record import read_record, read_variants

_ALL = 'all'
_DAY_SECONDS = 86_400

_FALSE_ALARMS = 0.01
"""Of all calls: a timer calls each night, with some thirty groups, and must not cry without a reason."""

Promises = Mapping[int, Mapping[str, Estimate]]
"""By version: the RMSE that the gate measured of its file, by slice; `all` is that of all rides."""


def judge_later_fares(
  found: LaterFares, config: RunConfig, output: OutputDirectory, served: int, now: datetime.datetime, from_log: bool
) -> MonitoringRecord:
  """What later fares say.

  Args:
    config: its slices, its `evaluation.max_rmse_increase` and what else an evaluation goes by.
    served: the version that serves now.
    now: is noted, with its zone.
    from_log: whether the predictions come from a log; is noted.
  """
  rides = eval_rides(found.columns, config.dataset, config.evaluation.slices)
  promises = {int(version): promised(output, int(version)) for version in np.unique(found.versions)}
  days = _days(np.asarray(found.columns[TIME]))
  everything = {_ALL: np.ones(len(rides), bool)}
  groups = _groups({**everything, **days, **rides.slices}, rides, found, promises, config.evaluation)
  beyond = [group for group in groups if group.beyond]
  return MonitoringRecord(
    time=now.isoformat(timespec='seconds'),
    served=served,
    currency=config.dataset.currency,
    from_log=from_log,
    limit=config.evaluation.max_rmse_increase,
    left_out=found.left_out,
    all=groups[0],
    days=tuple(groups[1 : 1 + len(days)]),
    slices=tuple(groups[1 + len(days) :]),
    beyond=bool(beyond),
    reason=_reason(groups, beyond, config),
  )


def promised(output: OutputDirectory, version: int) -> dict[str, Estimate]:
  """The RMSE that the gate measured of a version's file: on all rides by its manifest, by slice by the run's report.

  What is not known any more is left out.
  """
  manifest = find_pushed(output.serving / str(version)).manifest
  rmse = manifest.metrics.rmse if manifest else None
  return _slices_of(output, version) | ({_ALL: rmse} if rmse else {})


def _slices_of(output: OutputDirectory, version: int) -> dict[str, Estimate]:
  kept = pushed_by(output, version)
  if kept is None:
    return {}
  try:
    record = read_record(kept.path)
    found, of_file = errors_by_slice(dataclasses.replace(record, variants=read_variants(record)))
  except UserError:  # Of another version of this project.
    return {}
  return {name: rmse for name, rmse in found.items() if name != ALL_RIDES} if of_file else {}


def _days(seconds: np.ndarray) -> dict[str, np.ndarray]:
  """The rides of each day of the city's wall clock, oldest first, as a mask."""
  day = seconds // _DAY_SECONDS
  return {f'{(EPOCH + datetime.timedelta(days=int(one))):%Y-%m-%d}': day == one for one in np.unique(day)}


def _groups(
  masks: Mapping[str, np.ndarray],
  rides: EvalRides,
  found: LaterFares,
  promises: Promises,
  evaluation: Evaluation,
) -> list[RideGroup]:
  """One for each mask, all out of the same draws."""
  errors: np.ndarray = found.predictions - np.asarray(rides.labels, np.float64)
  parts = (np.ones(len(errors)), errors**2, np.abs(errors), errors)
  columns = [mask * part for mask in masks.values() for part in parts]
  sums = ResampledSums(columns, np.asarray(found.columns[TIME]), evaluation.bootstrap)
  groups = []
  for place, (name, mask) in enumerate(masks.items()):
    count = len(parts) * place
    rmse, mae, bias = sums.root_ratio(count + 1, count), sums.ratio(count + 2, count), sums.ratio(count + 3, count)
    assert rmse is not None and mae is not None and bias is not None
    served = found.versions[mask]
    promise = _pooled(name if name in rides.slices else _ALL, served, promises)
    group = RideGroup(
      name=name,
      rides=int(mask.sum()),
      rmse=rmse,
      mae=mae,
      bias=bias,
      promised=promise,
      versions=tuple(int(version) for version in np.unique(served)),
    )
    groups.append(group)
  return _judged(groups, evaluation)


def _pooled(name: str, served: np.ndarray, promises: Promises) -> Estimate | None:
  """What was promised for rides that several versions served: the RMSE of all, were each as good as promised.

  `None` where it is not known of every one.
  """
  versions, counts = np.unique(served, return_counts=True)
  known = [promises[int(version)].get(name) for version in versions]
  estimates = [estimate for estimate in known if estimate]
  if len(estimates) < len(known):
    return None

  def pool(figures: Sequence[float]) -> float:
    return float(np.sqrt(np.average(np.square(figures), weights=counts)))

  has_interval = all(one.low is not None and one.high is not None for one in estimates)
  ends = [pool([one.bottom for one in estimates]), pool([one.top for one in estimates])] if has_interval else []
  return Estimate(pool([one.value for one in estimates]), *ends)


def _judged(groups: Sequence[RideGroup], evaluation: Evaluation) -> list[RideGroup]:
  can_be = sum(_can_be_judged(group, evaluation) for group in groups)
  return [group.model_copy(update={'beyond': is_beyond(group, evaluation, can_be)}) for group in groups]


def is_beyond(group: RideGroup, evaluation: Evaluation, groups: int) -> bool | None:
  """Whether an RMSE is surely above what was promised, increased by `evaluation.max_rmse_increase`.

  Sure is what chance does once in a hundred calls, however many groups are looked at (Bonferroni). The standard errors
  are those of the intervals' sides that face each other.

  Args: groups: so many are judged.
  Returns: `None` of fewer rides than `evaluation.min_rides`, of fewer than ten time stamps, which have no interval, and
    where nothing was promised.
  """
  if not _can_be_judged(group, evaluation) or group.promised is None:
    return None
  increase = 1 + evaluation.max_rmse_increase
  spread = math.hypot(group.rmse.value - group.rmse.bottom, increase * (group.promised.top - group.promised.value))
  return group.rmse.value - increase * group.promised.value > widened(groups, _FALSE_ALARMS, sides=1) * spread


def _can_be_judged(group: RideGroup, evaluation: Evaluation) -> bool:
  return group.promised is not None and group.rides >= evaluation.min_rides and group.rmse.low is not None


def _reason(groups: Sequence[RideGroup], beyond: Sequence[RideGroup], config: RunConfig) -> str:
  whole, currency = groups[0], config.dataset.currency
  error = f'RMSE {amount(whole.rmse.value, currency)} on {whole.rides:,} rides'
  against = f' against {amount(whole.promised.value)} that the gate promised' if whole.promised else ''
  if not any(group.beyond is not None for group in groups):
    return f'{error}{against}; too few rides or no promise to judge by.'
  if not beyond:
    return f'{error}{against}; no day and no slice is beyond.'
  names = shortened([group.name for group in beyond if group.name != _ALL] or ['all rides'], 5)
  return f'{error}{against}; beyond: {names}.'
