"""How trained models become lite files, and what a file must keep to be pushed."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from configs.base import Config, Identifier, PositiveFloat, PositiveInt, Problem, joined, one_or_more
from configs.presets import PresetFolder
from configs.recipe import Recipe

SCHEMES = PresetFolder(noun='scheme', folder='schemes', listing='[float32, int8]', content='precision: int8')

FLOAT32 = 'float32'
"""Name of the scheme that every other one is compared with."""


class Precision(str, enum.Enum):
  """What a scheme makes of the model's weights and activations; the features stay float32 in each.

  `float32` leaves them. `float16` stores weights in 16 bits. `dynamic_range` stores them in 8 bits, computes in
  integers, and takes each activation's range as it comes. `int8` and `int16x8` have 8-bit weights, and 8- or 16-bit
  activations with fixed ranges. `weight_only_int8` stores weights in 8 bits and computes in float32. `dynamic_int4` is
  `dynamic_range` with 4-bit weights.
  """

  FLOAT32 = 'float32'
  FLOAT16 = 'float16'
  DYNAMIC_RANGE = 'dynamic_range'
  INT8 = 'int8'
  INT16X8 = 'int16x8'
  WEIGHT_ONLY_INT8 = 'weight_only_int8'
  DYNAMIC_INT4 = 'dynamic_int4'

  @property
  def facts(self) -> PrecisionFacts:
    """What a file of this precision holds."""
    return _FACTS[self]

  @property
  def bits(self) -> int:
    """Of a weight, at least."""
    return int(self.facts.weights.lstrip('floatin'))

  @property
  def is_quantized(self) -> bool:
    """Whether weights are integers."""
    return self.facts.weights.startswith('int')

  @property
  def is_calibrated(self) -> bool:
    """Whether activations are integers, whose ranges come from rides or from quantization-aware training."""
    return self.facts.activations.startswith('int')

  @property
  def needs_quantizer(self) -> bool:
    """Whether it takes the LiteRT quantizer, which only the tfx121 lock has."""
    return bool(self.facts.quantizer)


class PrecisionFacts(NamedTuple):
  """What a precision means for a file; types as TFLite calls them.

  Attributes:
    weights: type of the kernels of dense layers and convolutions.
    tables: type of embedding tables.
    activations: type of what dense layers take and yield.
    smallest: kernels and tables of fewer values stay float32.
    sparse_inputs: what the inputs of a block must be a multiple of, so that TFLite's sparse kernels compute with it; 0
      where there is no such block. Tried with TF 2.16 and 2.21, one scale per kernel, and ai-edge-litert 2.3: 8-bit
      kernels refuse to run with zeros in any block but 16x1, and other float blocks than those of 4 inputs are made
      dense again (DENSIFY) before anything is computed, which takes time and saves none.
    per_channel: whether the converter can give each unit of a dense kernel a scale of its own.
    never_sparse: why it does not go with sparse encoding, for the middle of a sentence; tried with the same versions
      and litert-quantizer 0.11.
    quantizer: the recipe of the LiteRT quantizer that makes it; '' where the converter does.
    float_depthwise: whether the kernels of depthwise convolutions stay float32 all the same.
  """

  weights: str
  tables: str
  activations: str
  smallest: int = 0
  sparse_inputs: int = 0
  per_channel: bool = False
  never_sparse: str = ''
  quantizer: str = ''
  float_depthwise: bool = False


_HYBRID = 1024
"""Dynamic range leaves tensors of fewer values in float (TFLite's `minimum_elements_for_weights`)."""

_UNREADABLE = "the LiteRT quantizer can't read sparse weights"
_NAN = 'TFLite makes NaN of blocks of 16-bit floats'
_WRONG = 'TFLite computes wrong fares from blocks of 8-bit weights and 16-bit activations'

_FACTS = {
  Precision.FLOAT32: PrecisionFacts('float32', 'float32', 'float32', sparse_inputs=4),
  Precision.FLOAT16: PrecisionFacts('float16', 'float16', 'float32', never_sparse=_NAN),
  Precision.DYNAMIC_RANGE: PrecisionFacts(
    'int8', 'int8', 'float32', smallest=_HYBRID, sparse_inputs=16, per_channel=True
  ),
  Precision.INT8: PrecisionFacts('int8', 'int8', 'int8', sparse_inputs=16, per_channel=True),
  Precision.INT16X8: PrecisionFacts('int8', 'int16', 'int16', never_sparse=_WRONG, per_channel=True),
  Precision.WEIGHT_ONLY_INT8: PrecisionFacts(
    'int8', 'float32', 'float32', never_sparse=_UNREADABLE, quantizer='weight_only_wi8_afp32'
  ),
  Precision.DYNAMIC_INT4: PrecisionFacts(
    'int4', 'float32', 'float32', never_sparse=_UNREADABLE, quantizer='dynamic_wi4c_afp32', float_depthwise=True
  ),
}
"""Everything that a step has to know of a precision, but for how the converter is set (`models/lite/conversion.py`)."""


class Calibration(Config):
  """The rides that activation ranges are taken from.

  Attributes:
    rides: size of a sample of the training split, stratified by fare; when unset all of them, and of a large split
      `compression.calibration_rides`.
    longest: how many of the highest fares are always in the sample, so that the ranges cover them; of a model of
      classes none, as none is the highest.
    seed: of the sample.
  """

  rides: PositiveInt | None = None
  longest: Annotated[int, Field(ge=0)] = 100
  seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

  def problems(self) -> Iterator[Problem]:
    for name in ('longest', 'seed') if self.rides is None else ():
      if getattr(self, name) != type(self).model_fields[name].default:
        yield Problem(
          name, f'has no effect while rides is unset, as all rides are taken then; set rides, or remove {name}.'
        )


class Scheme(Config):
  """A named way from a trained model to a lite file.

  Attributes:
    name: of variants, `<recipe>.<scheme>`.
    summary: one sentence for tables.
    precision: of the dense core.
    float_layers: dense layers that stay float32 all the same, such as `fare`.
    integer_only: refuse a core with a single operator that is not integer, and write the core as a file of its own
      beside the whole one, for microcontrollers; `int8` and `int16x8` alone.
    sparse: leave zero blocks out (TFLite's EXPERIMENTAL_SPARSITY); applied to recipes that prune in blocks.
    per_channel: a scale for each unit of a dense kernel, not one for all: finer steps, and more bytes. Needs TensorFlow
      2.21; not with sparse encoding, clusters, or a recipe that was trained for one scale.
    tolerance: largest root mean square difference of the fares from the float model's, as a fraction of the fares'
      standard deviation.
    calibration: where the ranges of integer activations come from.
  """

  name: Annotated[Identifier, Field(max_length=63)]
  summary: str = ''
  precision: Precision
  float_layers: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = ()
  integer_only: bool = False
  sparse: bool = False
  per_channel: bool = False
  tolerance: PositiveFloat = 0.05
  calibration: Calibration = Calibration()

  def problems(self) -> Iterator[Problem]:
    given = f'with precision {self.precision.value}'
    if self.integer_only and not self.precision.is_calibrated:
      integer = joined(precision.value for precision in Precision if precision.is_calibrated)
      yield Problem('integer_only', f'must be false {given}: only {integer} compute in integers alone.')
    elif self.integer_only and self.float_layers:
      layers = ', '.join(self.float_layers)
      yield Problem('integer_only', f'must be false with float_layers, as {layers} would stay float.')
    if self.per_channel and not self.precision.facts.per_channel:
      able = joined(precision.value for precision in Precision if precision.facts.per_channel)
      yield Problem('per_channel', f'must be false {given}: only {able} take it as a choice.')
    elif self.per_channel and self.sparse:
      yield Problem(
        'per_channel', "must be false with sparse: TFLite's sparse 8-bit kernels read the first scale alone."
      )
    if self.calibration != Calibration() and not self.precision.is_calibrated:
      yield Problem('calibration', f'has no effect {given}, which takes no ranges from rides; leave it out.')
    if self.float_layers and self.precision is Precision.FLOAT32:
      yield Problem('float_layers', f'has no effect {given}, which leaves every layer in float; leave it out.')
    if self.name == FLOAT32 and (self.precision is not Precision.FLOAT32 or self.sparse):
      rest = 'is what the others are compared with, precision float32 and not sparse; choose another name.'
      yield Problem('name', f"'{FLOAT32}' {rest}")


def packaged_schemes(*names: str) -> tuple[Scheme, ...]:
  """Schemes of those that come with the project, by name."""
  return tuple(Scheme.model_validate(SCHEMES.spelled_out(name)) for name in names)


[FLOAT32_SCHEME] = packaged_schemes(FLOAT32)


Schemes = Annotated[
  tuple[Annotated[Scheme, BeforeValidator(SCHEMES.spelled_out)], ...],
  BeforeValidator(SCHEMES.listed),
  AfterValidator(lambda schemes: SCHEMES.with_first(FLOAT32_SCHEME, schemes)),
]
"""Packaged ones by name, a user's own ones by path, or spelled out; `float32` is always among them, and first."""


class JudgedOn(str, enum.Enum):
  """What of an RMSE ratio is held against the budget: the ratio, or an end of its interval.

  `upper_bound` proves that a file keeps it, `significant` refuses only what is proven to miss it.
  """

  POINT = 'point'
  UPPER_BOUND = 'upper_bound'
  SIGNIFICANT = 'significant'


class Objective(str, enum.Enum):
  """What the pushed file is the best in, of those that keep the budget: bytes of the `file` as it is, bytes of the
  `download` (gzip), `latency` of one ride, `error` (the RMSE)."""

  FILE = 'file'
  DOWNLOAD = 'download'
  LATENCY = 'latency'
  ERROR = 'error'

  @property
  def best(self) -> str:
    """What comes first by it, for the middle of a sentence."""
    words = {'file': 'smallest file', 'download': 'smallest download', 'latency': 'fastest', 'error': 'most accurate'}
    return words[self.value]

  @property
  def size(self) -> Objective:
    """What the size of a file is: as it is where that is the objective, else as it is downloaded."""
    return self if self is Objective.FILE else Objective.DOWNLOAD


Limit = Annotated[float, Field(gt=0)]
"""A positive number; no limit is `null`, not infinity."""


class Budget(Config):
  """What a variant must keep to be pushed; `null` leaves a limit out.

  Attributes:
    rmse_ratio: largest ratio of the RMSE on the eval split to that of `dense.float32`; 1.01 allows 1 % more.
    worst_slice_ratio: the same for the worst slice, each slice's RMSE against the same slice's.
    min_slice_rides: slices of fewer rides are shown, not judged.
    judged_on: what is held against the limits: the ratios, or an end of their 95 % intervals.
    bytes: largest size of the file as it is, not gzipped.
    gzip_bytes: largest size of the file as users download it, by gzip.
    latency_us: largest median time for one ride, in microseconds; a caller's call: set, invoke, get.
  """

  rmse_ratio: Limit | None = 1.01
  worst_slice_ratio: Limit | None = 1.05
  min_slice_rides: PositiveInt = 50
  judged_on: JudgedOn = JudgedOn.POINT
  bytes: PositiveInt | None = None
  gzip_bytes: PositiveInt | None = None
  latency_us: Limit | None = None


class Measurement(Config):
  """How latency is measured: calls as a caller makes them, which set the inputs, invoke and get the output.

  Attributes:
    rounds: how often each file has its turn; files take turns, so that a busy moment hits all of them.
    calls: for one ride each, within a turn.
    batch: rides in a call of the larger batch.
    threads: of the interpreter.
  """

  rounds: Annotated[int, Field(ge=3, le=1000)] = 15
  calls: PositiveInt = 100
  batch: PositiveInt = 256
  threads: PositiveInt = 1


class KeepNames(str, enum.Enum):
  """Names of a lite file's inner tensors; inputs and outputs have theirs in any case.

  `short` names what belongs to a layer by that layer and numbers the rest, as many tools tell tensors apart by their
  names alone. `all` leaves the converter's. Files without any, `none`, are the smallest; runtimes need none.
  """

  NONE = 'none'
  SHORT = 'short'
  ALL = 'all'


class FileMetadata(Config):
  """TFLite metadata in each lite file: meaning and unit of the inputs and of the output, for people and for tools.

  Attributes:
    enabled: whether files have it; it is about a kilobyte, and the report says how much.
    license: of the model, as you call it; nothing is said where it is empty.
  """

  enabled: bool = False
  license: str = ''


NO_METADATA = FileMetadata()


class Compression(Config):
  """Every scheme is applied to every training recipe; the best file within the budget is pushed.

  Attributes:
    schemes: see `Schemes`.
    calibration_rides: the most rides of the training split that activation ranges are taken from; of a split with more,
      a random sample of so many, with the highest fares of all. A scheme that asks for more gets more.
    validation_rides: the most rides of the eval split that each file is compared with its model on, as soon as it is
      written; of a split with more, a random sample of so many.
    keep_names: names of the files' inner tensors; see `KeepNames`.
    objective: what makes a file the best one. A phone loads it: by default the smallest download.
  """

  schemes: Schemes = packaged_schemes(FLOAT32, 'dynamic_range', 'float16', 'int8')
  calibration_rides: PositiveInt = 100_000
  validation_rides: PositiveInt = 50_000
  objective: Objective = Objective.DOWNLOAD
  budget: Budget = Budget()
  measurement: Measurement = Measurement()
  keep_names: KeepNames = KeepNames.SHORT
  metadata: FileMetadata = FileMetadata()

  def problems(self) -> Iterator[Problem]:
    return SCHEMES.doubled(scheme.name for scheme in self.schemes)


def applies(scheme: Scheme, recipe: Recipe) -> bool:
  """Whether a scheme does something to a recipe's model: a sparse one needs zeros in blocks that its kernels take."""
  if not scheme.sparse:
    return True
  inputs, block = scheme.precision.facts.sparse_inputs, recipe.pruning.block if recipe.pruning else (1, 1)
  return block != (1, 1) and inputs > 0 and block[0] % inputs == 0
