"""What `summary.json` holds: one model for the run that writes it and for all that read it. Needs no TFX."""

from __future__ import annotations

import enum
import json
import pathlib
from collections.abc import Mapping

from configs.records import Record, RecordPart
from pipeline.retraining.triggers import Verdict
from pipeline.steps import StepState
from pipeline.whole_file import write_whole


class Status(str, enum.Enum):
  """How a run ended."""

  PUSHED = 'pushed'
  NOT_BLESSED = 'not_blessed'
  ANOMALIES = 'anomalies'
  FAILED = 'failed'


class EstimateRecord(RecordPart):
  """A figure and its 95 % interval, which is `None` where none is known."""

  value: float
  low: float | None = None
  high: float | None = None


class RowsRecord(RecordPart):
  """The rows of the source.

  Attributes:
    read: all of them.
    kept: valid rides.
    quarantined: rows that were set aside, by reason.
    splits: valid rides by split.
  """

  read: int
  kept: int
  quarantined: Mapping[str, int]
  splits: Mapping[str, int]


class MetricsRecord(RecordPart):
  """Errors on the eval split, in the city's currency."""

  rmse: EstimateRecord | None = None
  mae: EstimateRecord | None = None


class SliceCode(RecordPart):
  """What the rides of a slice share: an integer feature and its value."""

  feature: str
  value: int


class SliceRecord(RecordPart):
  """The trained model on a slice of the eval split.

  Attributes:
    name: for people; `all` for all rides.
    slice: what the rides share; empty for all rides.
    root_mean_squared_error: in the city's currency.
    mean_absolute_error: in the city's currency.
    example_count: rides.
    calibration: sum of the predictions over the sum of the fares.
  """

  name: str
  slice: tuple[SliceCode, ...]
  root_mean_squared_error: float
  mean_absolute_error: float
  example_count: float
  calibration: float


class RecipeRecord(RecordPart):
  """What a training recipe came to, read back from the exported model.

  Attributes:
    name: of the recipe.
    summary: what it does, in a sentence.
    served: whether this is the one that is evaluated and served.
    rmse: on the eval split, in the city's currency.
    mae: the same.
    rmse_ratio: RMSE to that of the dense base, ride by ride.
    parameters: weights in kernels and embedding tables.
    nonzero: those that are not zero.
    sparsity: share of zeros.
    pruned_sparsity: share of zeros in the layers that the recipe prunes; `None` if it prunes none.
    biases: number of them.
    distinct_weights: the most in one kernel that the recipe limits.
    seconds: of the fine-tuning.
    path: of the exported model's artifact.
  """

  name: str
  summary: str
  served: bool
  rmse: EstimateRecord
  mae: EstimateRecord
  rmse_ratio: EstimateRecord
  parameters: int
  nonzero: int
  sparsity: float
  pruned_sparsity: float | None
  biases: int
  distinct_weights: int
  seconds: float
  path: str


class WorstSliceRecord(RecordPart):
  """The slice on which a variant loses most to float32; the RMSE is in the city's currency."""

  name: str
  rides: int | None = None
  rmse: float | None = None
  rmse_ratio: EstimateRecord | None = None


class LatencyRecord(RecordPart):
  """Microseconds for one ride; `spread` is the smallest and largest median of the rounds."""

  p50: float
  p99: float | None = None
  spread: tuple[float, ...] | None = None


class VariantRecord(RecordPart):
  """A lite file; figures are `None` where it could not be made or measured.

  Attributes:
    name: training recipe and scheme, with a dot between.
    recipe: the training recipe.
    scheme: the conversion scheme.
    bytes: of the file.
    gzip_bytes: of the file after gzip.
    rmse: on the eval split, in the city's currency.
    rmse_ratio: to that of the float32 file.
    worst_slice: where it loses most.
    latency_us: at batch 1.
    sparsity: share of zeros.
    within_budget: whether it keeps the budget.
    reason: the sentence that belongs to that.
  """

  name: str
  recipe: str | None = None
  scheme: str | None = None
  bytes: int | None = None
  gzip_bytes: int | None = None
  rmse: EstimateRecord | None = None
  rmse_ratio: EstimateRecord | None = None
  worst_slice: WorstSliceRecord | None = None
  latency_us: LatencyRecord | None = None
  sparsity: float | None = None
  within_budget: bool | None = None
  reason: str | None = None


class ReductionRecord(RecordPart):
  """What became of the features where they were reduced.

  Attributes:
    method: of the reduction.
    features: numeric features before.
    inputs: what is left of them.
    variance_lost: share in [0, 1].
    reconstruction_error: root mean square, in standard deviations.
    rides: that it was fitted on.
    notes: sentences.
    kept: names of the features that stay, of a selection alone.
  """

  method: str
  features: int
  inputs: int
  variance_lost: float
  reconstruction_error: float
  rides: int
  notes: tuple[str, ...]
  kept: tuple[str, ...] | None = None


class FindingRecord(RecordPart):
  """One anomaly or one measured divergence; see `components.anomaly_gate.findings.Finding`.

  Attributes:
    sentence: which feature, what was expected, what came.
    split: the split it was found in.
    feature: a canonical column; empty for the split as a whole.
    kind: the comparison it comes from.
    severity: `info` within the threshold, else `warning` or `error`.
    stops: whether the config lets it stop the run.
    expected: what should have come.
    came: what came.
    divergence: Jensen-Shannon, base 2, in [0, 1]; of drift and skew only.
    threshold: the largest accepted divergence, or share of missing values.
  """

  sentence: str
  split: str
  feature: str
  kind: str
  severity: str
  stops: bool
  expected: str = ''
  came: str = ''
  divergence: float | None = None
  threshold: float | None = None


class StepRecord(RecordPart):
  """A step that ended.

  Attributes:
    name: the node's id.
    state: how it ended.
    seconds: wall time.
    after: the steps that it waits for; `None` where that is not known.
  """

  name: str
  state: StepState
  seconds: float
  after: tuple[str, ...] | None = None


class WindowRecord(RecordPart):
  """The spans that were read, or would have been; spans by their labels.

  Attributes:
    spans: oldest first.
    newest: the last of them.
    new: those that the last finished run did not read as they are.
    new_rows: valid rides in those.
    missing: spans that are not there.
    late: spans that came after a newer one.
    left_out: broken spans in whose place an older one is read.
    broken: why no run can use a span of the window.
  """

  spans: tuple[str, ...]
  newest: str
  new: tuple[str, ...]
  new_rows: int
  missing: tuple[str, ...]
  late: tuple[str, ...]
  left_out: tuple[str, ...]
  broken: Mapping[str, str]


class Summary(Record):
  """What a run came to. Only `status` is in every file: what a run, or the version that wrote it, did not come to is
  left at its default.

  Attributes:
    status: how it ended.
    reason: the sentence that belongs to it.
    name: of the pipeline.
    rows: of the source; `None` if none was read.
    metrics: of the trained model; `None` if it was not evaluated.
    rmse_without_worst_5: its RMSE without the five rides that it misses most.
    slices: the same by slice, all rides first.
    base_slices: the dense base by slice, where another recipe is served.
    recipes: what each training recipe came to, in the order of the config.
    variants: the lite files, in the order of the config.
    chosen: the name of the variant that was chosen.
    notes: further sentences.
    compression: folder of the CompressionGate's report.
    reduction: what became of the features where they were reduced.
    findings: anomalies and measured divergences.
    blessed: by the Evaluator and by the CompressionGate; `None` if it did not come to that.
    pushed_path: the version that was pushed, or serves the same bytes.
    pushed_version: its number.
    timings: seconds by step.
    steps: all that ended, in their order; `None` where the file does not say.
    artifacts: URIs by step and output; `None` where the file does not say.
    cached: steps that the cache answered.
    quarantine: folder of the rows that were set aside.
    curves: folder of the training's curves.
    run: the run's id.
    config: path of the resolved config.
    pipeline: the pipeline's name.
    started: ISO 8601.
    data: base and pattern of the source.
    output: the output directory.
    code_version: digest of the code.
    ended_early: whether there was nothing to do, and the figures are those of the last run.
    window: what was to be read, of a run on a window.
    triggers: why it ran, or why not.
  """

  status: Status
  reason: str = ''
  name: str = ''
  rows: RowsRecord | None = None
  metrics: MetricsRecord | None = None
  rmse_without_worst_5: float | None = None
  slices: tuple[SliceRecord, ...] = ()
  base_slices: tuple[SliceRecord, ...] = ()
  recipes: tuple[RecipeRecord, ...] = ()
  variants: tuple[VariantRecord, ...] = ()
  chosen: str | None = None
  notes: tuple[str, ...] = ()
  compression: str | None = None
  reduction: ReductionRecord | None = None
  findings: tuple[FindingRecord, ...] = ()
  blessed: bool | None = None
  pushed_path: str | None = None
  pushed_version: str | None = None
  timings: Mapping[str, float] = {}
  steps: tuple[StepRecord, ...] | None = None
  artifacts: Mapping[str, Mapping[str, str]] | None = None
  cached: tuple[str, ...] = ()
  quarantine: str | None = None
  curves: str | None = None
  run: str | None = None
  config: str | None = None
  pipeline: str | None = None
  started: str | None = None
  data: str | None = None
  output: str | None = None
  code_version: str | None = None
  ended_early: bool = False
  window: WindowRecord | None = None
  triggers: tuple[Verdict, ...] = ()

  def write(self, path: pathlib.Path) -> None:
    """Writes the file whole or not at all; also with a figure that is not a number, as a bad model may have."""
    write_whole(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + '\n')
