"""The largest RMSE that may be pushed: as the config has it, or by the fares that a model was trained on."""

from __future__ import annotations

from typing import NamedTuple

from tfx.dsl.io import fileio

from configs.amounts import amount
from configs.errors import FailedError
from configs.evaluation import Evaluation
from models.compression.records import TrainingReport, report_file


class RmseLimit(NamedTuple):
  """A limit in the city's currency, and the setting that it comes from, for sentences."""

  value: float
  setting: str


def rmse_limit(evaluation: Evaluation, model: str, unit: str = '') -> RmseLimit:
  """The limit of `evaluation` for what is made of a model.

  Args:
    model: URI of the Model artifact of a `PruningTrainer`; read where the limit is relative.
    unit: of the fares.
  Raises: FailedError: the limit is relative, and the model has no report of the fares that it was trained on.
  """
  if evaluation.max_rmse is not None:
    return RmseLimit(evaluation.max_rmse, 'evaluation.max_rmse')
  path = report_file(model)
  report = TrainingReport.parse(fileio.open(path, 'rb').read(), path) if fileio.exists(path) else None
  if report is None or report.labels is None:
    raise FailedError(
      f"'{path}' does not say what fares the model was trained on, so evaluation.max_rmse_share has nothing to be a "
      'share of: train again, or set evaluation.max_rmse.'
    )
  share, deviation = evaluation.max_rmse_share, report.labels.deviation
  what = amount(deviation, unit, 3)
  setting = f'evaluation.max_rmse_share: {share:g} of {what}, the standard deviation of the fares trained on'
  return RmseLimit(share * deviation, setting)
