"""What `variants.json` holds; needs neither TFX nor TensorFlow."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pydantic

from configs.records import Record, RecordPart

VARIANTS_FILE = 'variants.json'
"""In the `variants` artifact: a `VariantsRecord`."""


class LayerError(RecordPart):
  """How far a dense layer's outputs in a file are from the float model's on the eval split, as a fraction of their
  standard deviation.

  Attributes:
    error: what all layers up to this one lost.
    own_error: what this one loses of the inputs that it gets.
  """

  name: str
  error: float
  own_error: float


class ConvertedVariant(RecordPart):
  """A training recipe under a conversion scheme; what is not known of one that could not be made is `None`.

  Attributes:
    name: `<recipe>.<scheme>`.
    cached: whether the file was there from an earlier run.
    file: name of the file beside the record.
    gzip_bytes: of the file as users download it.
    sha256: of the file, in hexadecimal.
    feature_bytes: of the file without the model: what the features alone take.
    metadata_bytes: of its TFLite metadata.
    sparsity: share of weights that are zero, counted in the file.
    distinct_weights: the most distinct values of a layer.
    types: of the weights, by layer.
    calibration_rides: that the ranges of activations were measured on.
    output_step: by how much two neighbouring predictions differ, in the labels' unit; 0 where they are float.
    layer_errors: where it loses accuracy; of files with integer weights.
    difference: from the SavedModel on the same rides, as the validation has it.
    reason: one sentence on why there is no file.
  """

  name: str
  recipe: str
  scheme: str
  cached: bool | None = None
  file: str | None = None
  bytes: int | None = None
  gzip_bytes: int | None = None
  sha256: str | None = None
  feature_bytes: int | None = None
  metadata_bytes: int | None = None
  sparsity: float | None = None
  distinct_weights: int | None = None
  types: dict[str, str] | None = None
  calibration_rides: int | None = None
  output_step: float | None = None
  layer_errors: tuple[LayerError, ...] | None = None
  difference: float | None = None
  seconds: float | None = None
  reason: str | None = None

  @pydantic.model_validator(mode='before')
  @classmethod
  def _named(cls, values: Any) -> Any:
    """An older summary holds the name alone."""
    if not isinstance(values, dict) or not isinstance(values.get('name'), str):
      return values
    recipe, _, scheme = values['name'].partition('.')
    return values | {'recipe': values.get('recipe') or recipe, 'scheme': values.get('scheme') or scheme}


def file_facts(name: str, content: bytes) -> ConvertedVariant:
  """What a file's name, `<recipe>.<scheme>`, and its bytes alone show."""
  recipe, _, scheme = name.partition('.')
  return ConvertedVariant(
    name=name,
    recipe=recipe,
    scheme=scheme,
    file=f'{name}.tflite',
    bytes=len(content),
    gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
    sha256=hashlib.sha256(content).hexdigest(),
  )


class FeaturesFile(RecordPart):
  """The features without a model: the bytes of such a file."""

  bytes: int


class VariantsRecord(Record):
  """`variants.json`: each variant, in the order of the table, and the features alone."""

  variants: tuple[ConvertedVariant, ...]
  features: FeaturesFile
