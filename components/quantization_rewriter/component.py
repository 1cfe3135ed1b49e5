"""Writes and validates lite files; the gate judges them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import path_utils

from components.artifacts import LiteVariants
from components.pruning_trainer.keys import recipe_key
from components.quantization_rewriter.records import (
  VARIANTS_FILE,
  ConvertedVariant,
  FeaturesFile,
  LayerError,
  VariantsRecord,
  file_facts,
)
from components.specs import Artifacts, Properties, channels, new_outputs, parameters, split_files, with_models
from configs.compression import Scheme, applies
from configs.dataset import Dataset
from configs.errors import FailedError
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part
from configs.recipe import Recipe
from models.compression.records import lost_file
from models.lite.flatbuffer import shrink
from models.lite.inspection import LiteFile
from models.lite.rides import ride_variants
from models.lite.variants import Variants
from models.served_versions import is_saved_model
from models.settings import Settings
from models.whole_files import read_checked, write_checked


class QuantizationRewriterSpec(component_spec.ComponentSpec):
  """Trained models to lite files; there is one more input per recipe."""

  PARAMETERS = parameters('dataset', 'features', 'fare_model', 'training', 'schemes', 'cache', 'code_version')
  INPUTS = channels(
    examples=standard_artifacts.Examples,
    transformed_examples=standard_artifacts.Examples,
    transform_graph=standard_artifacts.TransformGraph,
  )
  OUTPUTS = channels(variants=LiteVariants)


def rewrite_all(
  variants: Variants,
  recipes: Sequence[Recipe],
  schemes: Sequence[Scheme],
  saved_models: Mapping[str, str],
  directory: str,
  cache: str,
) -> VariantsRecord:
  """Writes every variant's file and `variants.json` into `directory`.

  Args:
    variants: converts and validates.
    recipes: in the order of the table.
    schemes: in the order of the table.
    saved_models: by recipe name.
    directory: the artifact.
    cache: finished variants by digest: a line of facts, then the file; what is damaged is made anew.
  Returns: The content of `variants.json`.
  Raises: FailedError: none could be made; names the first reason.
  """
  made = tuple(
    _variant(variants, recipe, scheme, saved_models[recipe.name], directory, cache)
    for recipe in recipes
    for scheme in schemes
    if applies(scheme, recipe)
  )
  if all(variant.file is None for variant in made):
    raise FailedError(f'None of the {len(made)} variants could be made. {made[0].name}: {made[0].reason}')
  content = VariantsRecord(variants=made, features=FeaturesFile(bytes=len(shrink(variants.features))))
  with fileio.open(os.path.join(directory, VARIANTS_FILE), 'w') as file:
    file.write(content.to_json())
  return content


def _variant(
  variants: Variants, recipe: Recipe, scheme: Scheme, saved_model: str, directory: str, cache: str
) -> ConvertedVariant:
  name = f'{recipe.name}.{scheme.name}'
  file = os.path.join(directory, f'{name}.tflite')
  lost = lost_file(os.path.split(saved_model)[0])
  if fileio.exists(lost):
    with fileio.open(lost) as reason:
      return ConvertedVariant(
        name=name, recipe=recipe.name, scheme=scheme.name, cached=False, file=None, reason=reason.read(), seconds=0.0
      )
  kept = os.path.join(cache, variants.digest(recipe, scheme, saved_model))
  known = read_checked(kept)
  if known is not None:
    line, _, content = known.partition(b'\n')
    with fileio.open(file, 'wb') as target:
      target.write(content)
    return ConvertedVariant.model_validate_json(line).model_copy(update={'cached': True})
  facts = _made(variants, recipe, scheme, saved_model, file)
  # What was lost is tried again: the quantizer may be installed by then, or memory be free again.
  if facts.file is None:
    return facts
  fileio.makedirs(cache)
  with fileio.open(file, 'rb') as written:
    write_checked(kept, json.dumps(facts.to_dict()).encode() + b'\n' + written.read())
  return facts


def _made(variants: Variants, recipe: Recipe, scheme: Scheme, saved_model: str, file: str) -> ConvertedVariant:
  """Writes one file and validates it as it was written; where that fails, there is a reason instead of the file."""
  start, name = time.monotonic(), f'{recipe.name}.{scheme.name}'
  try:
    if not is_saved_model(saved_model):
      raise ValueError(f'There is no SavedModel at {saved_model}.')
    content = variants.write(recipe, scheme, saved_model)
    with fileio.open(file, 'wb') as target:
      target.write(content)
    with fileio.open(file, 'rb') as written:
      content = written.read()
    layers, difference = variants.check(content, recipe, scheme, saved_model)
    errors = variants.layer_errors(content, recipe, saved_model) if scheme.precision.is_quantized else {}
  except ValueError as error:
    if fileio.exists(file):
      fileio.remove(file)
    reason, seconds = str(error), time.monotonic() - start
    return ConvertedVariant(
      name=name, recipe=recipe.name, scheme=scheme.name, cached=False, file=None, reason=reason, seconds=seconds
    )
  return file_facts(name, content).model_copy(
    update={
      'cached': False,
      'feature_bytes': len(shrink(variants.features)),
      'sparsity': sum(layer.zeros for layer in layers) / sum(layer.size for layer in layers),
      'distinct_weights': max(layer.distinct for layer in layers),
      'types': {layer.name: layer.type for layer in layers},
      'calibration_rides': variants.calibrated_on(recipe, scheme),
      'difference': difference,
      'output_step': LiteFile(content).output_step(),
      'layer_errors': tuple(LayerError(name=name, error=all_, own_error=own) for name, (all_, own) in errors.items()),
      'seconds': time.monotonic() - start,
      'reason': None,
    }
  )


class QuantizationRewriterExecutor(base_executor.BaseExecutor):
  """Executor of `QuantizationRewriter`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Writes the variants; raises `FailedError` where there is none."""
    settings = Settings.from_json(exec_properties | {'model': exec_properties['fare_model']})
    variants = ride_variants(
      settings,
      artifact_utils.get_single_uri(input_dict['transform_graph']),
      split_files(input_dict['transformed_examples'], 'train'),
      split_files(input_dict['examples'], 'eval'),
    )
    artifact = artifact_utils.get_single_instance(output_dict['variants'])
    content = rewrite_all(
      variants,
      settings.training.recipes,
      [Scheme.model_validate(scheme) for scheme in json.loads(exec_properties['schemes'])],
      {
        recipe.name: path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[recipe_key(recipe.name)]))
        for recipe in settings.training.recipes
      },
      artifact.uri,
      os.path.join(exec_properties['cache'], exec_properties['code_version']),
    )
    made = [variant for variant in content.variants if variant.file is not None]
    artifact.set_int_custom_property('variants', len(made))
    artifact.set_int_custom_property('lost', len(content.variants) - len(made))


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
      models=models, schemes=config.compression.schemes, cache='out/variants',
      dataset=config.dataset, features=config.features, model=config.model, training=config.training,
      code_version=step_version(QuantizationRewriter))
  ```

  Args:
    examples: raw ones; files are validated with the eval split.
    transformed_examples: of the train split, for calibration.
    transform_graph: the fitted Transform graph, the front part of every file.
    models: a Model channel per recipe name.
    dataset, features, model, training: what the models were made by.
    schemes: conversion schemes.
    cache: URI of a folder with finished variants; a changed list of schemes converts only what is new.
    code_version: part of the cache key.
  """

  SPEC_CLASS = QuantizationRewriterSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(QuantizationRewriterExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.meaning')
  """What the executor reads: the inputs of the files."""

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    transformed_examples: channel.BaseChannel,
    transform_graph: channel.BaseChannel,
    models: Mapping[str, channel.BaseChannel],
    dataset: Dataset,
    features: Features,
    model: Model,
    training: Training,
    schemes: Sequence[Scheme],
    cache: str,
    code_version: str,
  ) -> None:
    spec = with_models(QuantizationRewriterSpec, 'INPUTS', map(recipe_key, models))(
      examples=examples,
      transformed_examples=transformed_examples,
      transform_graph=transform_graph,
      dataset=self.DATASET.dump(dataset),
      features=features.model_dump_json(),
      fare_model=model.model_dump_json(),
      training=training.model_dump_json(),
      schemes=json.dumps([scheme.model_dump(mode='json') for scheme in schemes]),
      cache=cache,
      code_version=code_version,
      **new_outputs(QuantizationRewriterSpec),
      **{recipe_key(name): model for name, model in models.items()},
    )
    super().__init__(spec=spec)
