"""Converts models to files, checks them, and keeps finished ones by a digest of all that makes their bytes."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tfx.dsl.io import fileio

from components.quantization_rewriter.claims import Claims
from components.quantization_rewriter.records import (
  VARIANTS_FILE,
  ConvertedVariant,
  FeaturesFile,
  LayerError,
  VariantsRecord,
  file_facts,
)
from configs.compression import Scheme, applies
from configs.errors import FailedError
from configs.recipe import Recipe
from models.compression.records import lost_file
from models.lite.microcontroller import IntegerPart, integer_part
from models.lite.process import Beside, StartedAhead
from models.lite.variants import Variants
from models.served_versions import is_saved_model
from models.whole_files import read_checked, write_checked


def rewrite_all(
  variants: Variants,
  recipes: Sequence[Recipe],
  schemes: Sequence[Scheme],
  saved_models: Mapping[str, str],
  directory: str,
  cache: str,
  run: str = '',
) -> VariantsRecord:
  """Writes every variant's file and `variants.json` into `directory`.

  Args:
    variants: converts and validates.
    recipes: in the order of the table.
    schemes: in the order of the table.
    saved_models: by recipe name.
    directory: the artifact.
    cache: finished variants by digest: a line of facts, then the file; what is damaged is made anew. Those that another
      process makes meanwhile come last, from there.
    run: a name of the run, by which what the other process made for it is told from what was there before.
  Returns: The content of `variants.json`.
  Raises: FailedError: none could be made; names the first reason.
  """
  # Nobody makes it in a pod whose pipeline root is a mounted volume.
  fileio.makedirs(directory)
  made: dict[str, Future[ConvertedVariant]] = {}
  pairs = applicable(recipes, schemes)
  # The processes go first: a check that waits for one then ends, however the block does.
  with Claims(cache) as claims, ThreadPoolExecutor(1, 'checks') as checks, StartedAhead() as ahead:
    rewriting = Rewriting(variants, directory, cache, run, claims, checks, ahead)
    try:
      for waits in (False, True):
        for recipe, scheme in pairs:
          name = _name(recipe, scheme)
          if name not in made and (future := rewriting.variant(recipe, scheme, saved_models[recipe.name], waits)):
            made[name] = future
            rewriting.keep_up([*made.values()])
    except Exception:
      for earlier in made.values():  # What failed first is what is told.
        earlier.result()
      raise
    found = tuple(made[_name(recipe, scheme)].result() for recipe, scheme in pairs)
  if all(variant.file is None for variant in found):
    raise FailedError(f'None of the {len(found)} variants could be made. {found[0].name}: {found[0].reason}')
  content = VariantsRecord(variants=found, features=FeaturesFile(bytes=variants.feature_bytes))
  with fileio.open(os.path.join(directory, VARIANTS_FILE), 'w') as file:
    file.write(content.to_json())
  return content


def rewrite_ready(
  variants: Variants,
  recipes: Sequence[Recipe],
  schemes: Sequence[Scheme],
  ready: Callable[[Recipe], str | None],
  cache: str,
  run: str,
  done: Callable[[str], None],
  beside: Beside | None = None,
) -> None:
  """Fills the cache for `rewrite_all`, which may run at the same time in another process, recipe by recipe.

  Args:
    recipes: in the order in which they get ready.
    schemes: in the order of the table.
    ready: gives a recipe's SavedModel, `None` as long as there is none.
    cache, run: see `rewrite_all`.
    done: is called with a file's name once it is checked, in a thread of its own.
    beside: see `Variants.check`; in the same thread.
  """
  with (
    tempfile.TemporaryDirectory() as folder,
    Claims(cache, shares=True) as claims,
    ThreadPoolExecutor(1, 'checks') as checks,
    StartedAhead() as ahead,
  ):
    rewriting = Rewriting(variants, folder, cache, run, claims, checks, ahead, beside)
    _ = variants.features  # Which need no recipe.
    made: list[Future[ConvertedVariant]] = []
    for recipe in recipes:
      while (saved_model := ready(recipe)) is None:
        time.sleep(_PAUSE)
      for _, scheme in applicable([recipe], schemes):
        if future := rewriting.variant(recipe, scheme, saved_model):
          future.add_done_callback(lambda future: done(future.result().name))
          made.append(future)
          rewriting.keep_up(made)
    for future in made:
      future.result()


def applicable(recipes: Sequence[Recipe], schemes: Sequence[Scheme]) -> list[tuple[Recipe, Scheme]]:
  """The variants that there are, in the order of the table."""
  return [(recipe, scheme) for recipe in recipes for scheme in schemes if applies(scheme, recipe)]


def _name(recipe: Recipe, scheme: Scheme) -> str:
  return f'{recipe.name}.{scheme.name}'


_PAUSE = 0.02

_RUN = 'run'
"""Key of the run's name among a finished variant's facts."""

_UNCHECKED = 2
"""Files that may wait for their check: that of one takes about as long as the conversion of the next."""


@dataclasses.dataclass(frozen=True)
class Rewriting:
  """Converts in the caller's thread, as TensorFlow's state is its own, and checks each file in another one meanwhile.

  Attributes:
    directory, cache, run: see `rewrite_all`.
    claims: on the cache.
    checks: one thread.
    ahead: the fresh processes, each started while its file is converted.
    beside: asks them further questions.
  """

  variants: Variants
  directory: str
  cache: str
  run: str
  claims: Claims
  checks: ThreadPoolExecutor
  ahead: StartedAhead
  beside: Beside | None = None

  def variant(
    self, recipe: Recipe, scheme: Scheme, saved_model: str, waits: bool = False
  ) -> Future[ConvertedVariant] | None:
    """Writes one file; the facts come when it is checked, or a reason.

    Args: waits: for another process that makes this very file; the result is `None` otherwise.
    """
    lost = lost_file(os.path.split(saved_model)[0])
    if fileio.exists(lost):
      with fileio.open(lost) as reason:
        return _done(_lost(recipe, scheme, reason.read(), seconds=0.0))
    digest = self.variants.digest(recipe, scheme, saved_model)
    if waits:
      self.claims.wait(digest)
    elif not self.claims.take(digest):
      return None
    file, kept = os.path.join(self.directory, f'{_name(recipe, scheme)}.tflite'), os.path.join(self.cache, digest)
    known = read_checked(kept)
    if known is None:
      future = self._made(recipe, scheme, saved_model, file, kept)
      future.add_done_callback(lambda _: self.claims.release(digest))
      return future
    self.claims.release(digest)
    line, _, content = known.partition(b'\n')
    with fileio.open(file, 'wb') as target:
      target.write(content)
    if scheme.integer_only:
      _write_part(file, content)
    facts = json.loads(line)
    is_of_this_run = facts.pop(_RUN, '') == self.run != ''
    return _done(ConvertedVariant.model_validate(facts).model_copy(update={'cached': not is_of_this_run}))

  def keep_up(self, made: Sequence[Future[ConvertedVariant]]) -> None:
    """Waits until few of the files that were made so far wait for their check."""
    if len(made) >= _UNCHECKED:
      made[-_UNCHECKED].result()

  def _made(self, recipe: Recipe, scheme: Scheme, saved_model: str, file: str, kept: str) -> Future[ConvertedVariant]:
    start = time.monotonic()
    self.ahead.prepare()
    try:
      if not is_saved_model(saved_model):
        raise ValueError(f'There is no SavedModel at {saved_model}.')
      content = self.variants.write(recipe, scheme, saved_model)
      with fileio.open(file, 'wb') as target:
        target.write(content)
      check = self.variants.check(recipe, scheme, saved_model, self.ahead, self.beside)
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
      facts = file_facts(_name(recipe, scheme), content).model_copy(
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
      write_checked(kept, json.dumps(facts.to_dict() | {_RUN: self.run}).encode() + b'\n' + content)
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
  return ConvertedVariant(
    name=_name(recipe, scheme),
    recipe=recipe.name,
    scheme=scheme.name,
    cached=False,
    file=None,
    reason=reason,
    seconds=seconds,
  )
