"""TFX's Evaluator for fares: slices that are asserted, intervals beside the metrics."""

from __future__ import annotations

import os

from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, standard_component_specs
from tfx.types import standard_component_specs as keys
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from components.fare_evaluator.in_memory import evaluate, outcomes_of_split
from components.fare_evaluator.records import INTERVALS_FILE, SLICES_FILE
from components.fare_evaluator.slices import eval_config, intervals, read_slices
from components.in_memory import works_in_memory
from components.rmse_limit import rmse_limit
from components.specs import Artifacts, Properties, new_outputs, parameters, split_files
from configs.dataset import Dataset
from configs.evaluation import Evaluation, Slices
from configs.parts import Part, load_part
from configs.records import list_to_json
from transforms.slice_names import slice_keys


class FareEvaluatorSpec(standard_component_specs.EvaluatorSpec):
  """TFX's Evaluator with the settings of the intervals."""

  PARAMETERS = {
    **standard_component_specs.EvaluatorSpec.PARAMETERS,
    **parameters('slices', 'dataset', 'max_rmse_share', 'code_version', bootstrap=int, in_memory_rides=int),
  }


class FareEvaluatorExecutor(base_beam_executor.BaseBeamExecutor):
  """TFX's Evaluator executor, or the same without Beam; also writes `slices.json` and `intervals.json`.

  TFX's is taken where Beam is asked for, and not extended: it imports TFMA whole, Keras 3 and sklearn, at the price of
  an evaluation in memory.
  """

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Evaluates; raises `FailedError` where TFMA did not slice, or a relative threshold has nothing to go by."""
    model = artifact_utils.get_single_instance(input_dict[keys.MODEL_KEY])
    model_path = path_utils.serving_model_path(model.uri)
    slices = Slices.model_validate_json(exec_properties['slices'])
    dataset = load_part(Dataset, exec_properties['dataset'])
    cuts = slice_keys(dataset, slices)
    in_memory = cuts if exec_properties['in_memory_rides'] else ()
    outcomes = outcomes_of_split(model_path, split_files(input_dict[keys.EXAMPLES_KEY], 'eval'), in_memory)
    evaluation = artifact_utils.get_single_instance(output_dict[keys.EVALUATION_KEY])
    if share := exec_properties['max_rmse_share']:
      limit = rmse_limit(Evaluation(max_rmse_share=float(share)), model.uri).value
      exec_properties = {**exec_properties, keys.EVAL_CONFIG_KEY: proto_utils.proto_to_json(eval_config(limit, cuts))}
    if works_in_memory(exec_properties, len(outcomes.fares), evaluation):
      config = config_pb2.EvalConfig()
      proto_utils.json_to_proto(exec_properties[keys.EVAL_CONFIG_KEY], config)
      verdict = evaluate(outcomes, config, model_path, evaluation.uri)
      if not verdict.missing_thresholds:
        _bless(artifact_utils.get_single_instance(output_dict[keys.BLESSING_KEY]), model, verdict.validation_ok)
    else:
      _tfx_executor()(self._context).Do(input_dict, output_dict, exec_properties)
    _write(evaluation.uri, SLICES_FILE, list_to_json(read_slices(evaluation.uri, cuts, slices, dataset)))
    _write(evaluation.uri, INTERVALS_FILE, intervals(outcomes, exec_properties['bootstrap']).to_json())


def _tfx_executor() -> type[base_beam_executor.BaseBeamExecutor]:
  """By the package, which in TFX 1.21 gives TFMA the names that this executor needs."""
  from tfx.components import Evaluator

  return Evaluator.EXECUTOR_SPEC.executor_class  # type: ignore[no-any-return]


def _bless(blessing: types.Artifact, model: types.Artifact, valid: bool) -> None:
  """Leaves a blessing as TFX's executor does."""
  blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
  blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
  blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(valid))
  _write(blessing.uri, constants.BLESSED_FILE_NAME if valid else constants.NOT_BLESSED_FILE_NAME, '')


def _write(uri: str, name: str, text: str) -> None:
  io_utils.write_string_file(os.path.join(uri, name), text)


class FareEvaluator(base_beam_component.BaseBeamComponent):
  """Evaluates a fare model by TFMA, by slice; a split that fits into memory without Beam, with the same files.

  Outputs as TFX's Evaluator: `evaluation`, which holds `intervals.json` and `slices.json` beside the files of TFMA, and
  `blessing`: TFMA's validation of this SavedModel by `evaluation.max_rmse` or its share. No push hangs on it, as what
  is pushed is a file made of some recipe's model: `CompressionGate` judges that.

  ```
  evaluator = FareEvaluator(
      examples=ingest.outputs['examples'],
      model=trainer.outputs['model'],
      evaluation=config.evaluation,
      dataset=config.dataset,
      code_version=step_version(FareEvaluator))
  ```

  Args:
    examples: raw rides; the eval split is used.
    model: the candidate.
    evaluation: slices, threshold, resamples.
    dataset: of the examples; `DATASET` of it names slices.
    code_version: part of the cache key.
    in_memory_rides: the largest split that is evaluated without Beam.
    validates: whether there is a threshold; without one the blessing stays empty, and the slices are only measured.
  """

  SPEC_CLASS = FareEvaluatorSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(FareEvaluatorExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'city.windows')
  """What the executor reads, for the slices."""

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    model: channel.BaseChannel,
    evaluation: Evaluation,
    dataset: Dataset,
    code_version: str,
    in_memory_rides: int = 0,
    validates: bool = True,
  ) -> None:
    spec = FareEvaluatorSpec(
      examples=examples,
      model=model,
      **new_outputs(FareEvaluatorSpec),
      eval_config=eval_config(evaluation.max_rmse if validates else None, slice_keys(dataset, evaluation.slices)),
      example_splits=json_utils.dumps(['eval']),
      fairness_indicator_thresholds=json_utils.dumps(None),
      bootstrap=evaluation.bootstrap,
      slices=evaluation.slices.model_dump_json(),
      dataset=self.DATASET.dump(dataset),
      # As text; empty where there is no threshold, or one of its own.
      max_rmse_share=str(evaluation.max_rmse_share) if validates and evaluation.max_rmse is None else '',
      code_version=code_version,
      in_memory_rides=in_memory_rides,
    )
    super().__init__(spec=spec)
