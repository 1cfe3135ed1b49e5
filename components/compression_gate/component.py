"""The gate between the lite files and the push."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifacts import CompressionReport, LiteVariants
from components.compression_gate.choice import Choice, Variant, fetch_variants
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.predicted_ahead import digest_of, key
from components.compression_gate.pushed_version import ServedVersion, fetch_served, write_version
from components.compression_gate.records import REPORT_FILE
from components.compression_gate.report import PREDICTIONS_FILE, predictions, report
from components.compression_gate.rides import JudgedRides
from components.pruning_trainer.keys import recipe_key
from components.resolvers.served_model import VERSION_PROPERTY, without_absent
from components.specs import (
  Artifacts,
  Properties,
  channels,
  new_outputs,
  optional_parameters,
  parameters,
  saved_models,
  with_models,
)
from components.user_code import of_task
from configs.base import joined, raise_any
from configs.compression import Compression
from configs.dataset import Dataset
from configs.errors import UserError
from configs.evaluation import Evaluation
from configs.pairs import pair_problems
from configs.parts import Part
from configs.serving import Shadow
from configs.task import Task, TaskKind
from models.lite.process import Beside, StartedAhead
from models.protocols import EvalExamples
from models.served_versions import is_saved_model
from models.serving import fake_quantized

if TYPE_CHECKING:
  from components.compression_gate.task_examples import JudgedTask
  from configs.model import Training


class CompressionGateSpec(component_spec.ComponentSpec):
  """Variants and examples to a verdict; there is one more input per recipe."""

  PARAMETERS = {
    **parameters('compression', 'code_version'),
    **optional_parameters('evaluation', 'dataset', 'shadow', 'newest_splits', 'task', 'training'),
  }
  INPUTS = {
    **channels(variants=LiteVariants, examples=standard_artifacts.Examples, trained=standard_artifacts.Model),
    'transform_graph': component_spec.ChannelParameter(type=standard_artifacts.TransformGraph, optional=True),
    'served_model': component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    'served_push': component_spec.ChannelParameter(type=standard_artifacts.PushedModel, optional=True),
  }
  OUTPUTS = channels(
    blessing=standard_artifacts.ModelBlessing, model=standard_artifacts.Model, report=CompressionReport
  )


class CompressionGateExecutor(base_executor.BaseExecutor):
  """Executor of `CompressionGate`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Judges; raises `FailedError` where there is nothing to judge by or to compare with."""
    case = _judged(input_dict, exec_properties)
    compression = case.compression
    models, served = saved_models(input_dict), _served(input_dict)
    trained = artifact_utils.get_single_instance(input_dict['trained'])
    with tempfile.TemporaryDirectory() as folder, StartedAhead() as ahead:
      uri = artifact_utils.get_single_uri(input_dict['variants'])
      variants = fetch_variants(uri, pathlib.Path(folder))
      ahead.prepare(sum(variant.path is not None for variant in variants))
      examples = case.examples
      aware = [name for name, path in models.items() if is_saved_model(path) and fake_quantized(path)]
      limits = case.thresholds(trained.uri)
      serving = None if served is None else _fetched(served, pathlib.Path(folder))
      judgement = judge(
        variants, examples, compression, case.resamples, aware, limits, serving, examples.drawn_from, ahead,
        case.newest(),
      )  # fmt: skip
      chosen = judgement.chosen
      if chosen is not None:
        model = artifact_utils.get_single_instance(output_dict['model'])
        model.set_string_custom_property('variant', chosen.variant.name)
        beyond = write_version(
          path_utils.serving_model_dir(model.uri),
          models[chosen.variant.facts.recipe],
          chosen,
          next(scheme for scheme in compression.schemes if scheme.name == chosen.variant.facts.scheme),
          examples,
          judgement.baseline,
          case.version,
          exec_properties['code_version'],
          judgement.drawn_from,
          ahead,
        )
        judgement.notes.extend(beyond)
      _write_report(output_dict['report'], judgement, variants, examples, compression)
    _bless(artifact_utils.get_single_instance(output_dict['blessing']), judgement.choice, trained, served)


def predicting_ahead(
  input_dict: Artifacts, exec_properties: Properties, keep: Callable[[str, np.ndarray], None]
) -> Beside | None:
  """What asks files for the predictions that `Do` will need, in the processes that check them after they were made.

  Args:
    input_dict, exec_properties: as `Do` gets them; of the inputs it takes the examples, which are read here.
    keep: see `components.compression_gate.predicted_ahead.PredictedAhead`.
  Returns: `None` where the interpreter has more threads than in a check.
  """
  case = _judged(input_dict, exec_properties)
  if case.compression.measurement.threads != 1:
    return None
  columns = case.examples.columns
  digest = digest_of(columns)
  return lambda content, process: keep(key(content, digest, 1), process.predict(columns))


def _judged(input_dict: Artifacts, exec_properties: Properties) -> JudgedRides | JudgedTask:
  """What is judged, and by what."""
  if exec_properties.get('task') is None:
    return JudgedRides(input_dict, exec_properties)
  from components.compression_gate.task_examples import JudgedTask  # It imports Keras, without which the other one is.

  return JudgedTask(input_dict, exec_properties)


def _served(input_dict: Artifacts) -> types.Artifact | None:
  """The push that is noted, or the copy that the look-up made; `None` where nothing serves."""
  found = [*input_dict.get('served_push', ()), *without_absent(input_dict, 'served_model').get('served_model', ())]
  return found[0] if found else None


def _fetched(served: types.Artifact, folder: pathlib.Path) -> ServedVersion:
  if served.type is standard_artifacts.PushedModel:
    directory = served.get_string_custom_property('pushed_destination')
    return fetch_served(directory, directory.rstrip('/').rpartition('/')[2], folder)
  version = served.get_string_custom_property(VERSION_PROPERTY)
  return fetch_served(path_utils.serving_model_path(served.uri), version, folder)


def _bless(blessing: types.Artifact, choice: Choice, trained: types.Artifact, served: types.Artifact | None) -> None:
  """By properties and an empty file, as TFX's Evaluator does it: its Pusher and Resolvers read them."""
  blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(choice.chosen is not None))
  blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY, choice.reason)
  blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, trained.uri)
  blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, trained.id)
  if served is not None:
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, served.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, served.id)
  file = constants.NOT_BLESSED_FILE_NAME if choice.chosen is None else constants.BLESSED_FILE_NAME
  io_utils.write_string_file(os.path.join(blessing.uri, file), '')


def _write_report(
  artifacts: list[types.Artifact],
  judgement: Judgement,
  variants: list[Variant],
  examples: EvalExamples,
  settings: Compression,
) -> None:
  uri = artifact_utils.get_single_uri(artifacts)
  text = report(judgement, variants, examples, settings).to_json() + '\n'
  io_utils.write_string_file(os.path.join(uri, REPORT_FILE), text)
  with fileio.open(os.path.join(uri, PREDICTIONS_FILE), 'wb') as file:
    file.write(predictions(judgement, examples))


class CompressionGate(base_component.BaseComponent):
  """Runs every variant's file, and that of the version that serves, and blesses the best that keeps every limit.

  Outputs: `blessing`, as TFX's Evaluator writes it, and the only one that a push hangs on; `model`, the version to
  push, with the chosen file, its manifest and golden examples (empty where none was chosen);
  `report`, see `components.compression_gate.report`. A variant that crashes is lost with a reason; limits that none
  keeps are a result and no failure. `judge` takes any `models.protocols.EvalExamples`, and `write_version` any
  `Version`.

  ```
  gate = CompressionGate(
      variants=rewriter.outputs['variants'],
      examples=ingest.outputs['examples'],
      models=models, trained=trainer.outputs['model'],
      compression=config.compression, evaluation=config.evaluation, dataset=config.dataset,
      code_version=step_version(CompressionGate))
  ```

  Args:
    variants: of a `QuantizationRewriter`.
    examples: raw ones; the eval split is used, or of a large one a sample (`evaluation.judged_rides`, or
      `judged_examples` of the task).
    task: the user's own model; in place of `evaluation`, `dataset` and `shadow`.
    training: what it was trained by; of a task alone.
    transform_graph: of a task that has one.
    models: the SavedModels that the variants were converted from, by recipe name.
    trained: the Trainer's model; a blessing is of it, whichever of its files is chosen, and a relative limit goes by
      the labels that its report tells of.
    compression: schemes, budget, measurement.
    evaluation: thresholds, slices, resamples.
    dataset: of the examples.
    code_version: part of the cache key, and of the manifest; of a task it is taken of its code.
    served_push: what serves as a PushedModel, from a Resolver.
    served_model: the same as a Model, from `components.resolvers.served_model.ServedModel`. Without either, and where
      it is empty, an increase is held against nothing.
    shadow: what the chosen file may change beside the one that serves; nothing is compared where it is left out.
    newest_splits: the splits that hold the newest examples, on which the two are compared.
  """

  SPEC_CLASS = CompressionGateSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(CompressionGateExecutor)
  DATASET = Part(
    Dataset,
    *('name', 'currency', 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning'),
    *('city.center_latitude', 'city.center_longitude', 'city.windows'),
    *('city.landmarks.latitude', 'city.landmarks.longitude', 'city.landmarks.airport'),
  )
  """What the executor reads: for the manifest, and for the slices."""

  def __init__(
    self,
    *,
    variants: channel.BaseChannel,
    examples: channel.BaseChannel,
    models: Mapping[str, channel.BaseChannel],
    trained: channel.BaseChannel,
    compression: Compression,
    task: Task | None = None,
    training: Training | None = None,
    transform_graph: channel.BaseChannel | None = None,
    evaluation: Evaluation | None = None,
    dataset: Dataset | None = None,
    code_version: str | None = None,
    served_push: channel.BaseChannel | None = None,
    served_model: channel.BaseChannel | None = None,
    shadow: Shadow | None = None,
    newest_splits: Sequence[str] = ('eval',),
  ) -> None:
    if task is None:
      if evaluation is None or dataset is None or code_version is None:
        raise UserError('Give a task for a model of your own, or evaluation, dataset and code_version for rides.')
      own = {'evaluation': evaluation.model_dump_json(), 'dataset': self.DATASET.dump(dataset)}
    else:
      if training is None:
        raise UserError('Give the training that the models of the task were made by, too.')
      if unused := sorted({'rmse_ratio', 'worst_slice_ratio'} & compression.budget.model_fields_set):
        raise UserError(
          f'compression.budget: {joined(unused)} would have no effect: a task says by max_loss and worst_slice_loss '
          'what a file may lose.'
        )
      classifies = task.kind is TaskKind.CLASSIFICATION
      raise_any(pair_problems(compression, training.recipes, classifies))
      code_version = of_task(task, training, code_version, evaluation=evaluation, dataset=dataset, shadow=shadow)
      own = {'task': task.model_dump_json(), 'training': training.model_dump_json()}
    spec = with_models(CompressionGateSpec, 'INPUTS', map(recipe_key, models))(
      variants=variants,
      examples=examples,
      trained=trained,
      served_push=served_push,
      served_model=served_model,
      **{recipe_key(name): model for name, model in models.items()},
      **new_outputs(CompressionGateSpec),
      compression=compression.model_dump_json(),
      transform_graph=transform_graph,
      **own,
      code_version=code_version,
      shadow=None if shadow is None else shadow.model_dump_json(),
      newest_splits=None if shadow is None else ','.join(newest_splits),
    )
    super().__init__(spec=spec)
