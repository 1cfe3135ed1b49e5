"""TFX's Evaluator for fares: slices that are asserted, intervals beside the metrics."""

from __future__ import annotations

from tfx.components.evaluator import component as evaluator
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel, standard_artifacts
from tfx.utils import json_utils

from components.fare_evaluator.eval_config import eval_config
from components.fare_evaluator.executor import FareEvaluatorExecutor
from components.fare_evaluator.spec import FareEvaluatorSpec
from configs.evaluation import Evaluation


class FareEvaluator(evaluator.Evaluator):
  """Evaluates a fare model by TFMA, by slice, against the model that serves now.

  Outputs as TFX's Evaluator: `evaluation`, which holds `intervals.json`,
  `slices.json` and `refusals.json` beside TFMA's own files, and `blessing`.

  Args:
    examples: raw rides; the eval split is used.
    model: the candidate.
    evaluation: slices, thresholds, resamples.
    currency: of the fares, for sentences.
    code_version: part of the cache key.
    baseline_model: the served model, if any; change thresholds need it.
    judges: whether the thresholds hold; without them the blessing stays empty
      and the same slices are only measured.
  """

  SPEC_CLASS = FareEvaluatorSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(FareEvaluatorExecutor)

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    model: channel.BaseChannel,
    evaluation: Evaluation,
    currency: str,
    code_version: str,
    baseline_model: channel.BaseChannel | None = None,
    judges: bool = True,
  ) -> None:
    spec = FareEvaluatorSpec(
      examples=examples,
      model=model,
      baseline_model=baseline_model,
      evaluation=channel.Channel(type=standard_artifacts.ModelEvaluation),
      blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
      eval_config=eval_config(evaluation, judges),
      example_splits=json_utils.dumps(['eval']),
      fairness_indicator_thresholds=json_utils.dumps(None),
      bootstrap=evaluation.bootstrap,
      currency=currency,
      slices=evaluation.slices.model_dump_json(),
      code_version=code_version,
    )
    # The parent's constructor builds its own spec, without the further parameters.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
