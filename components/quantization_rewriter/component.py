"""Writes and validates lite files; what each of them is worth is the gate's business."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.components.trainer.rewriting import rewriter
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifacts import LiteVariants
from components.pruning_trainer import RECIPE_PREFIX
from components.quantization_rewriter.records import VARIANTS_FILE, ConvertedVariant, FeaturesFile, VariantsRecord
from configs.compression import Scheme, applies
from configs.dataset import Dataset
from configs.errors import FailedError
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part
from configs.recipe import Recipe
from models.lite.flatbuffer import shrink
from models.lite.inspection import LayerFile
from models.lite.rides import ride_variants
from models.lite.variants import Variants
from models.settings import Settings
from models.versions import is_saved_model
from models.whole_files import write_whole

EXAMPLES_KEY = 'examples'
TRANSFORMED_EXAMPLES_KEY = 'transformed_examples'
TRANSFORM_GRAPH_KEY = 'transform_graph'
VARIANTS_KEY = 'variants'
DATASET_KEY = 'dataset'
FEATURES_KEY = 'features'
MODEL_KEY = 'fare_model'
TRAINING_KEY = 'training'
SCHEMES_KEY = 'schemes'
CACHE_KEY = 'cache'
CODE_VERSION_KEY = 'code_version'


class QuantizationRewriterSpec(component_spec.ComponentSpec):
  """Trained models to lite files; there is one more input per recipe, see `spec_class`."""

  PARAMETERS = {
    name: component_spec.ExecutionParameter(type=str)
    for name in (DATASET_KEY, FEATURES_KEY, MODEL_KEY, TRAINING_KEY, SCHEMES_KEY, CACHE_KEY, CODE_VERSION_KEY)
  }
  INPUTS = {
    EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    TRANSFORMED_EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    TRANSFORM_GRAPH_KEY: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
  }
  OUTPUTS = {VARIANTS_KEY: component_spec.ChannelParameter(type=LiteVariants)}


def spec_class(recipes: Sequence[str]) -> type[QuantizationRewriterSpec]:
  """The spec with one Model input per recipe name."""
  models = {RECIPE_PREFIX + name: component_spec.ChannelParameter(type=standard_artifacts.Model) for name in recipes}
  inputs = {**QuantizationRewriterSpec.INPUTS, **models}
  return type('QuantizationRewriterSpec', (QuantizationRewriterSpec,), {'INPUTS': inputs, '__module__': __name__})


class LiteRewriter(rewriter.BaseRewriter):
  """Writes one variant.

  Attributes:
    layers: as the written file holds them, once it is validated.
    difference: from the float model, once it is validated.

  Args:
    variants: converts.
    recipe: of the model.
    scheme: of the file.
  """

  def __init__(self, variants: Variants, recipe: Recipe, scheme: Scheme) -> None:
    self._variants = variants
    self._recipe = recipe
    self._scheme = scheme
    self._saved_model = ''
    self.layers: list[LayerFile] = []
    self.difference = 0.0

  @property
  def name(self) -> str:
    """`<recipe>.<scheme>`."""
    return f'{self._recipe.name}.{self._scheme.name}'

  def _pre_rewrite_validate(self, original_model: rewriter.ModelDescription) -> None:
    if original_model.model_type is not rewriter.ModelType.SAVED_MODEL:
      raise ValueError(f'A lite file is made of a SavedModel, got {original_model.model_type}.')
    if not is_saved_model(original_model.path):
      raise ValueError(f'There is no SavedModel at {original_model.path}.')
    self._saved_model = original_model.path

  def _rewrite(self, original_model: rewriter.ModelDescription, rewritten_model: rewriter.ModelDescription) -> None:
    content = self._variants.write(self._recipe, self._scheme, original_model.path)
    with fileio.open(rewritten_model.path, 'wb') as file:
      file.write(content)

  def _post_rewrite_validate(self, rewritten_model: rewriter.ModelDescription) -> None:
    with fileio.open(rewritten_model.path, 'rb') as file:
      content = file.read()
    self.layers, self.difference = self._variants.check(content, self._recipe, self._scheme, self._saved_model)


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
    cache: finished variants by digest.

  Returns:
    The content of `variants.json`.

  Raises:
    FailedError: none could be made; names the first reason.
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
  kept = os.path.join(cache, variants.digest(recipe, scheme, saved_model))
  if fileio.exists(f'{kept}.json'):
    with fileio.open(f'{kept}.json') as stored:
      facts = ConvertedVariant.model_validate_json(stored.read())
    fileio.copy(f'{kept}.tflite', file, overwrite=True)
    return facts.model_copy(update={'cached': True})
  facts = _made(variants, recipe, scheme, saved_model, file)
  # What was lost is tried again: the quantizer may be installed by then, or memory be free again.
  if facts.file is None:
    return facts
  fileio.makedirs(cache)
  with fileio.open(file, 'rb') as written:
    write_whole(f'{kept}.tflite', written.read())
  # The facts come last: without them the file is not looked at.
  write_whole(f'{kept}.json', json.dumps(facts.to_dict()))
  return facts


def _made(variants: Variants, recipe: Recipe, scheme: Scheme, saved_model: str, file: str) -> ConvertedVariant:
  start = time.monotonic()
  lite = LiteRewriter(variants, recipe, scheme)
  try:
    lite.perform_rewrite(
      rewriter.ModelDescription(rewriter.ModelType.SAVED_MODEL, saved_model),
      rewriter.ModelDescription(rewriter.ModelType.TFLITE_MODEL, file),
    )
  except ValueError as error:
    if fileio.exists(file):
      fileio.remove(file)
    # TFX puts a prefix that names both models around it.
    reason = str(error.__context__ or error)
    return ConvertedVariant(
      name=lite.name,
      recipe=recipe.name,
      scheme=scheme.name,
      cached=False,
      file=None,
      reason=reason,
      seconds=time.monotonic() - start,
    )
  with fileio.open(file, 'rb') as written:
    content = written.read()
  size = sum(layer.size for layer in lite.layers)
  return ConvertedVariant(
    name=lite.name,
    recipe=recipe.name,
    scheme=scheme.name,
    cached=False,
    file=f'{lite.name}.tflite',
    bytes=len(content),
    gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
    sha256=hashlib.sha256(content).hexdigest(),
    feature_bytes=len(shrink(variants.features)),
    sparsity=sum(layer.zeros for layer in lite.layers) / size,
    distinct_weights=max(layer.distinct for layer in lite.layers),
    types={layer.name: layer.type for layer in lite.layers},
    calibration_rides=variants.calibrated_on(recipe, scheme),
    difference=lite.difference,
    seconds=time.monotonic() - start,
    reason=None,
  )


class QuantizationRewriterExecutor(base_executor.BaseExecutor):
  """Executor of `QuantizationRewriter`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Writes the variants; raises `FailedError` where there is none."""
    settings = Settings.from_json(exec_properties | {'model': exec_properties[MODEL_KEY]})
    variants = ride_variants(
      settings,
      artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH_KEY]),
      _files(input_dict[TRANSFORMED_EXAMPLES_KEY], 'train'),
      _files(input_dict[EXAMPLES_KEY], 'eval'),
    )
    artifact = artifact_utils.get_single_instance(output_dict[VARIANTS_KEY])
    content = rewrite_all(
      variants,
      settings.training.recipes,
      [Scheme.model_validate(scheme) for scheme in json.loads(exec_properties[SCHEMES_KEY])],
      {recipe.name: _saved_model(input_dict, recipe.name) for recipe in settings.training.recipes},
      artifact.uri,
      os.path.join(exec_properties[CACHE_KEY], exec_properties[CODE_VERSION_KEY]),
    )
    made = [variant for variant in content.variants if variant.file is not None]
    artifact.set_int_custom_property('variants', len(made))
    artifact.set_int_custom_property('lost', len(content.variants) - len(made))


def _files(artifacts: list[types.Artifact], split: str) -> list[str]:
  [uri] = artifact_utils.get_split_uris(artifacts, split)
  return list(fileio.glob(io_utils.all_files_pattern(uri)))


def _saved_model(input_dict: dict[str, list[types.Artifact]], recipe: str) -> str:
  return str(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[RECIPE_PREFIX + recipe])))


class QuantizationRewriter(base_component.BaseComponent):
  """One TFLite file per training recipe and conversion scheme, each validated after writing.

  Output: `variants`, with the files and `variants.json`; a variant that can't be made has a reason there instead of a
  file. `rewrite_all` takes any `Variants`: of a `models.protocols.Build` and `RawInputs`.

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
    spec = spec_class(list(models))(
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
      variants=channel.Channel(type=LiteVariants),
      **{RECIPE_PREFIX + name: model for name, model in models.items()},
    )
    super().__init__(spec=spec)
