"""All variants of a run, each from the cache or made anew."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence

from tfx.components.trainer.rewriting import rewriter
from tfx.dsl.io import fileio

from components.quantization_rewriter.records import VARIANTS_FILE, ConvertedVariant, FeaturesFile, VariantsRecord
from components.quantization_rewriter.rewriter import LiteRewriter
from configs.compression import Scheme
from configs.errors import FailedError
from configs.recipe import Recipe
from configs.scheme_checks import applies
from models.lite.shrinking import shrink
from models.lite.variants import Variants
from models.whole_files import write_whole


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
    calibration_rides=variants.calibration_rides(recipe, scheme),
    difference=lite.difference,
    seconds=time.monotonic() - start,
    reason=None,
  )
