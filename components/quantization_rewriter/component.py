"""Writes and validates lite files; the gate judges them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from components.artifacts import LiteVariants
from components.pruning_trainer.keys import recipe_key
from components.quantization_rewriter.implementations import cache_of, variants_of
from components.quantization_rewriter.rewriting import rewrite_all, rewrite_ready
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
from components.user_code import of_rides, of_task
from configs.base import raise_any
from configs.compression import Compression, Scheme
from configs.dataset import Dataset
from configs.errors import UserError
from configs.features import Features
from configs.model import Model, Training
from configs.pairs import pair_problems
from configs.parts import Part
from configs.recipe import Recipe, in_training_order
from configs.task import Task, TaskKind
from models.compression.records import is_finished
from models.lite.process import Beside


class QuantizationRewriterSpec(component_spec.ComponentSpec):
  """Trained models to lite files; there is one more input per recipe."""

  PARAMETERS = {
    **parameters(
      *('training', 'schemes', 'keep_names', 'metadata', 'cache', 'code_version'),
      calibration_rides=int,
      validation_rides=int,
    ),
    **optional_parameters('dataset', 'features', 'fare_model', 'task'),
  }
  INPUTS = {
    **channels(examples=standard_artifacts.Examples, transformed_examples=standard_artifacts.Examples),
    'transform_graph': component_spec.ChannelParameter(type=standard_artifacts.TransformGraph, optional=True),
  }
  OUTPUTS = channels(variants=LiteVariants)


class QuantizationRewriterExecutor(base_executor.BaseExecutor):
  """Executor of `QuantizationRewriter`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Writes the variants; raises `FailedError` where there is none."""
    recipes, schemes, cache = _settings(exec_properties)
    variants = variants_of(input_dict, exec_properties, schemes)
    artifact = artifact_utils.get_single_instance(output_dict['variants'])
    run = self._context.pipeline_run_id if self._context else ''
    content = rewrite_all(variants, recipes, schemes, saved_models(input_dict), artifact.uri, cache, run or '')
    made = [variant for variant in content.variants if variant.file is not None]
    artifact.set_int_custom_property('variants', len(made))
    artifact.set_int_custom_property('lost', len(content.variants) - len(made))


def rewrite_ahead(
  input_dict: Artifacts,
  exec_properties: Properties,
  run: str,
  done: Callable[[str], None] = lambda name: None,
  beside: Beside | None = None,
) -> None:
  """Makes files that `Do` will find in the cache, recipe by recipe, while the trainer still makes the others.

  It ends with the last recipe; where the trainer fails, with its process.

  Args:
    input_dict: as `Do` gets it, with the models where `components.pruning_trainer.component.models_in_the_making` has
      them.
    exec_properties: as `Do` gets them.
    run: of which both are a part.
    done: is called with a file's name once it is checked.
    beside: is called with a file and the process that ran it for its check, before that.
  """
  recipes, schemes, cache = _settings(exec_properties)
  variants, models = variants_of(input_dict, exec_properties, schemes), saved_models(input_dict)

  def ready(recipe: Recipe) -> str | None:
    return models[recipe.name] if is_finished(os.path.split(models[recipe.name])[0]) else None

  rewrite_ready(variants, in_training_order(recipes), schemes, ready, cache, run, done, beside)


def _settings(exec_properties: Properties) -> tuple[tuple[Recipe, ...], list[Scheme], str]:
  """Recipes, schemes, and the folder of finished files."""
  training = Training.model_validate_json(exec_properties['training'])
  schemes = [Scheme.model_validate(scheme) for scheme in json.loads(exec_properties['schemes'])]
  return training.recipes, schemes, cache_of(exec_properties)


class QuantizationRewriter(base_component.BaseComponent):
  """One TFLite file per training recipe and conversion scheme, each validated after writing.

  Output: `variants`, with the files and `variants.json`; a variant that can't be made has a reason there instead of a
  file. `rewrite_all` takes any `Variants`: of a `models.protocols.Build` and `RawInputs`.

  ```
  models = {recipe.name: trainer.outputs[recipe_key(recipe.name)] for recipe in config.training.recipes}
  rewriter = QuantizationRewriter(
      examples=ingest.outputs['examples'],
      transformed_examples=features.outputs['transformed_examples'],
      transform_graph=features.outputs['transform_graph'],
      models=models, compression=config.compression, cache='out/variants',
      dataset=config.dataset, features=config.features, model=config.model, training=config.training,
      code_version=step_version(QuantizationRewriter))
  ```

  Args:
    examples: raw ones; files are validated with the eval split, or a sample of it.
    models: a Model channel per recipe name.
    training: what the models were trained by.
    compression: conversion schemes, how many examples they take, and what the files say of themselves.
    cache: URI of a folder with finished variants; a changed list of schemes converts only what is new.
    task: the user's own model; in place of `dataset`, `features` and `model`.
    transformed_examples: of the train split, for calibration, or a sample of it; `examples` where there is no graph.
    transform_graph: the fitted Transform graph, the front part of every file; without it files take the model's inputs.
    dataset, features, model: what fare models were made by.
    code_version: part of the cache key; of a task it is taken of its code.
  """

  SPEC_CLASS = QuantizationRewriterSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(QuantizationRewriterExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.meaning')
  """What the executor reads: the inputs of the files."""
  DESCRIBED = Part(Dataset, *DATASET.fields, 'extras.unit', 'name', 'currency')
  """The same where the files describe themselves."""

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    models: Mapping[str, channel.BaseChannel],
    training: Training,
    compression: Compression,
    cache: str,
    task: Task | None = None,
    transformed_examples: channel.BaseChannel | None = None,
    transform_graph: channel.BaseChannel | None = None,
    dataset: Dataset | None = None,
    features: Features | None = None,
    model: Model | None = None,
    code_version: str | None = None,
  ) -> None:
    if task is None:
      dataset, features, model, version = of_rides(dataset, features, model, code_version)
      own = {
        'dataset': (self.DESCRIBED if compression.metadata.enabled else self.DATASET).dump(dataset),
        'features': features.model_dump_json(),
        'fare_model': model.model_dump_json(),
      }
    else:
      version = of_task(task, training, code_version, dataset=dataset, features=features, model=model)
      if compression.metadata.enabled:
        raise UserError('compression.metadata describes rides; leave it out for a task.')
      raise_any(pair_problems(compression, training.recipes, task.kind is TaskKind.CLASSIFICATION))
      own = {'task': task.model_dump_json()}
    spec = with_models(QuantizationRewriterSpec, 'INPUTS', map(recipe_key, models))(
      examples=examples,
      transformed_examples=examples if transformed_examples is None else transformed_examples,
      transform_graph=transform_graph,
      **own,
      training=training.model_dump_json(),
      schemes=json.dumps([scheme.model_dump(mode='json') for scheme in compression.schemes]),
      calibration_rides=compression.calibration_rides,
      validation_rides=compression.validation_rides,
      keep_names=compression.keep_names.value,
      metadata=compression.metadata.model_dump_json(),
      cache=cache,
      code_version=version,
      **new_outputs(QuantizationRewriterSpec),
      **{recipe_key(name): model for name, model in models.items()},
    )
    super().__init__(spec=spec)
