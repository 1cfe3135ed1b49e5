"""Writes and validates lite files; the gate judges them."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from components.artifacts import LiteVariants
from components.pruning_trainer.keys import recipe_key
from components.quantization_rewriter.implementations import variants_of
from components.quantization_rewriter.records import (
  VARIANTS_FILE,
  ConvertedVariant,
  FeaturesFile,
  LayerError,
  VariantsRecord,
  file_facts,
)
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
from configs.compression import Compression, Scheme, applies
from configs.dataset import Dataset
from configs.errors import FailedError, UserError
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part
from configs.recipe import Recipe
from configs.task import Task
from models.compression.records import lost_file
from models.lite.microcontroller import IntegerPart, integer_part
from models.lite.process import StartedAhead
from models.lite.variants import Variants
from models.served_versions import is_saved_model
from models.whole_files import read_checked, write_checked


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
  # Nobody makes it in a pod whose pipeline root is a mounted volume.
  fileio.makedirs(directory)
  made: list[Future[ConvertedVariant]] = []
  pairs = [(recipe, scheme) for recipe in recipes for scheme in schemes if applies(scheme, recipe)]
  # The processes go first: a check that waits for one then ends, however the block does.
  with ThreadPoolExecutor(1, 'checks') as checks, StartedAhead() as ahead:
    rewriting = _Rewriting(variants, directory, cache, checks, ahead)
    try:
      for recipe, scheme in pairs:
        made.append(rewriting.variant(recipe, scheme, saved_models[recipe.name]))
        if len(made) >= _UNCHECKED:
          made[-_UNCHECKED].result()
    except Exception:
      for earlier in made:  # What failed first is what is told.
        earlier.result()
      raise
    found = tuple(variant.result() for variant in made)
  if all(variant.file is None for variant in found):
    raise FailedError(f'None of the {len(found)} variants could be made. {found[0].name}: {found[0].reason}')
  content = VariantsRecord(variants=found, features=FeaturesFile(bytes=variants.feature_bytes))
  with fileio.open(os.path.join(directory, VARIANTS_FILE), 'w') as file:
    file.write(content.to_json())
  return content


_UNCHECKED = 2
"""Files that may wait for their check: that of one takes about as long as the conversion of the next."""


@dataclasses.dataclass(frozen=True)
class _Rewriting:
  """Converts in the caller's thread, as TensorFlow's state is its own, and checks each file in another one meanwhile.

  Attributes:
    directory, cache: see `rewrite_all`.
    checks: one thread.
    ahead: the fresh processes, each started while its file is converted.
  """

  variants: Variants
  directory: str
  cache: str
  checks: ThreadPoolExecutor
  ahead: StartedAhead

  def variant(self, recipe: Recipe, scheme: Scheme, saved_model: str) -> Future[ConvertedVariant]:
    """Writes one file; the facts come when it is checked, or a reason."""
    lost = lost_file(os.path.split(saved_model)[0])
    if fileio.exists(lost):
      with fileio.open(lost) as reason:
        return _done(_lost(recipe, scheme, reason.read(), seconds=0.0))
    file = os.path.join(self.directory, f'{recipe.name}.{scheme.name}.tflite')
    kept = os.path.join(self.cache, self.variants.digest(recipe, scheme, saved_model))
    known = read_checked(kept)
    if known is not None:
      line, _, content = known.partition(b'\n')
      with fileio.open(file, 'wb') as target:
        target.write(content)
      if scheme.integer_only:
        _write_part(file, content)
      return _done(ConvertedVariant.model_validate_json(line).model_copy(update={'cached': True}))
    return self._made(recipe, scheme, saved_model, file, kept)

  def _made(self, recipe: Recipe, scheme: Scheme, saved_model: str, file: str, kept: str) -> Future[ConvertedVariant]:
    start = time.monotonic()
    self.ahead.prepare()
    try:
      if not is_saved_model(saved_model):
        raise ValueError(f'There is no SavedModel at {saved_model}.')
      content = self.variants.write(recipe, scheme, saved_model)
      with fileio.open(file, 'wb') as target:
        target.write(content)
      check = self.variants.check(recipe, scheme, saved_model, self.ahead)
      errors = self.variants.layer_errors(content, recipe, saved_model) if scheme.precision.is_quantized else {}
    except ValueError as error:
      return _done(_not_made(recipe, scheme, file, error, time.monotonic() - start))
    calibrated_on, feature_bytes = self.variants.calibrated_on(recipe, scheme), self.variants.feature_bytes
    seconds = time.monotonic() - start

    def checked() -> ConvertedVariant:
      """Validates the file as it was written, and keeps it for the next run."""
      begin = time.monotonic()
      with fileio.open(file, 'rb') as written:
        content = written.read()
      try:
        layers, difference = check(content)
        if scheme.integer_only:
          _write_part(file, content).check(content, self.variants.held_out, self.variants.raw.contract)
      except ValueError as error:
        # What was lost is tried again: the quantizer may be installed by then, or memory be free again.
        return _not_made(recipe, scheme, file, error, seconds + time.monotonic() - begin)
      facts = file_facts(f'{recipe.name}.{scheme.name}', content).model_copy(
        update={
          'cached': False,
          'feature_bytes': feature_bytes,
          'sparsity': sum(layer.zeros for layer in layers) / sum(layer.size for layer in layers),
          'distinct_weights': max(layer.distinct for layer in layers),
          'types': {layer.name: layer.type for layer in layers},
          'calibration_rides': calibrated_on,
          'difference': difference,
          **self.variants.said_by(content),
          'layer_errors': tuple(
            LayerError(name=name, error=all_, own_error=own) for name, (all_, own) in errors.items()
          ),
          'seconds': seconds + time.monotonic() - begin,
          'reason': None,
        }
      )
      fileio.makedirs(self.cache)
      write_checked(kept, json.dumps(facts.to_dict()).encode() + b'\n' + content)
      return facts

    return self.checks.submit(checked)


def _part_files(file: str) -> tuple[str, str]:
  """Where a file's integer part and its C header are, beside it."""
  stem = file.removesuffix('.tflite')
  return f'{stem}.core.tflite', f'{stem}.core.h'


def _write_part(file: str, content: bytes) -> IntegerPart:
  """Writes the integer part of a file beside it, for microcontrollers."""
  part = integer_part(content)
  core, header = _part_files(file)
  with fileio.open(core, 'wb') as target:
    target.write(part.content)
  with fileio.open(header, 'w') as target:
    target.write(part.header(os.path.split(file)[1].removesuffix('.tflite')))
  return part


def _done(variant: ConvertedVariant) -> Future[ConvertedVariant]:
  future: Future[ConvertedVariant] = Future()
  future.set_result(variant)
  return future


def _not_made(recipe: Recipe, scheme: Scheme, file: str, error: ValueError, seconds: float) -> ConvertedVariant:
  """The reason instead of the files, which go where they were written."""
  for written in (file, *_part_files(file)):
    if fileio.exists(written):
      fileio.remove(written)
  return _lost(recipe, scheme, str(error), seconds)


def _lost(recipe: Recipe, scheme: Scheme, reason: str, seconds: float) -> ConvertedVariant:
  name = f'{recipe.name}.{scheme.name}'
  return ConvertedVariant(
    name=name, recipe=recipe.name, scheme=scheme.name, cached=False, file=None, reason=reason, seconds=seconds
  )


class QuantizationRewriterExecutor(base_executor.BaseExecutor):
  """Executor of `QuantizationRewriter`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Writes the variants; raises `FailedError` where there is none."""
    training = Training.model_validate_json(exec_properties['training'])
    schemes = [Scheme.model_validate(scheme) for scheme in json.loads(exec_properties['schemes'])]
    variants = variants_of(input_dict, exec_properties, schemes)
    artifact = artifact_utils.get_single_instance(output_dict['variants'])
    content = rewrite_all(
      variants,
      training.recipes,
      schemes,
      saved_models(input_dict),
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
