"""What `summary.json` holds: one model for the run that writes it and for all that read it. Needs no TFX."""

from __future__ import annotations

import datetime
import enum
import json
import pathlib
from collections.abc import Mapping

from components.compression_gate.records import JudgedVariant, ShadowRecord
from components.fare_evaluator.records import EvaluatedSlice
from components.in_memory import Computed
from configs import loading
from configs.records import Figure, Record, RecordPart
from configs.run import RunConfig
from models.compression.records import ReportedErrors, ReportedTotals
from models.reduction.records import ReductionFigures
from models.whole_files import write_whole
from pipeline.local.output import OutputDirectory
from pipeline.local.steps import StepState
from pipeline.retraining.triggers import Verdict

PUSHER, REGISTRY = 'Pusher', 'ModelRegistry'
"""The step that pushes, and the one after it, which enters what was pushed in a registry."""


class Status(str, enum.Enum):
  """How a run ended."""

  PUSHED = 'pushed'
  NOT_BLESSED = 'not_blessed'
  ANOMALIES = 'anomalies'
  FAILED = 'failed'


class RowsRecord(RecordPart):
  """The rows of the source.

  Attributes:
    read: all of them.
    kept: valid rides.
    quarantined: rows that were set aside, by reason.
    splits: valid rides by split.
    examples: the first values that broke a rule, by reason: column, value and the setting that helps, in words.
    passed_over: why it was not read, by path, of what the source's pattern finds besides.
  """

  read: int
  kept: int
  quarantined: Mapping[str, int]
  splits: Mapping[str, int]
  examples: Mapping[str, tuple[str, ...]] = {}
  passed_over: Mapping[str, str] = {}


class MetricsRecord(RecordPart):
  """Errors on the eval split, in the city's currency."""

  rmse: Figure | None = None
  mae: Figure | None = None


class RecipeHead(RecordPart):
  """A training recipe.

  Attributes:
    summary: what it does, in a sentence.
    served: whether this is the one that is evaluated and served.
  """

  name: str
  summary: str
  served: bool


class RecipeRecord(ReportedTotals, ReportedErrors, RecipeHead):
  """What a training recipe came to: errors and totals of its training report.

  Attributes:
    seconds: of the fine-tuning.
    path: of the exported model's artifact.
  """

  seconds: float
  path: str


class FindingRecord(RecordPart):
  """One anomaly or one measured divergence; see `components.ride_validator.findings.Finding`.

  Attributes:
    sentence: which feature, what was expected, what came.
    feature: a canonical column; empty for the split as a whole.
    kind: the comparison it comes from.
    severity: `info` within the threshold, else `warning` or `error`.
    stops: whether the config lets it stop the run.
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
    after: the steps that it waits for; `None` where that is not known.
    began: seconds after the first step of the run; `None` where that is not known.
    ahead: seconds before that in which a part of its work was done beside other steps.
    computed: with or without Beam, of a step that can do both.
  """

  name: str
  state: StepState
  seconds: float
  after: tuple[str, ...] | None = None
  began: float | None = None
  ahead: float = 0.0
  computed: Computed | None = None


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
    excluded: spans that `retraining.exclude` leaves out, of those since the first one that is read.
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
  excluded: tuple[str, ...] = ()


class MadeOf(RecordPart):
  """What decides a run's outcome; a run of the same would come to the same.

  Attributes:
    config: digest of what in the config is part of a model.
    sources: digest of the code as it lies there; the summary's `code_version` rises with less.
    rides: digest of the files' names and contents.
    serves: the version that served when it ended, with which a next one would be compared.
  """

  config: str
  sources: str
  rides: str
  serves: int | None


class Summary(Record):
  """What a run came to. Only `status` is in every file: what a run, or the version that wrote it, did not come to is
  left at its default.

  Attributes:
    reason: the sentence that belongs to it.
    rows: of the source; `None` if none was read.
    metrics: of the trained model; `None` if it was not evaluated.
    rmse_without_worst_5: its RMSE without the five rides that it misses most.
    slices: the same by slice, all rides first.
    base_slices: the dense base by slice, where another recipe is served.
    recipes: what each training recipe came to, in the order of the config.
    variants: the lite files, in the order of the config; of what the gate's report holds of each, the most important.
    served_version, served_rmse: what the lite files were held against: the version that served, and the RMSE of its own
      file on the same rides; `None` where nothing served.
    shadow: what was to be pushed beside what serves; `None` where they were not compared.
    compression: folder of the CompressionGate's report.
    reduction: what became of the features where they were reduced.
    findings: anomalies and measured divergences.
    blessed: by the Evaluator and by the CompressionGate; `None` if it did not come to that.
    pushed_path: the version that was pushed, or serves the same bytes.
    not_registered: why the registry has not taken that version, which serves all the same; the next run tries again.
    seconds: of the whole run, from the command's look at its rides to the end of its last step, TFX's loading included;
      what the terminal and the page show. `None` where the file does not say; of `ended_early` those of the last run.
    timings: seconds by step.
    steps: all that ended, in their order; `None` where the file does not say.
    artifacts: URIs by step and output; `None` where the file does not say.
    cached: steps that the cache answered.
    quarantine: folder of the rows that were set aside.
    curves: folder of the training's curves.
    config: path of the resolved config.
    started: ISO 8601.
    data: base and pattern of the source.
    git_commit: of the checkout that it ran in, with `-dirty` where that was changed; `None` outside of one.
    made_of: for the run after it; `None` where its rides can't be compared.
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
  slices: tuple[EvaluatedSlice, ...] = ()
  base_slices: tuple[EvaluatedSlice, ...] = ()
  recipes: tuple[RecipeRecord, ...] = ()
  variants: tuple[JudgedVariant, ...] = ()
  chosen: str | None = None
  served_version: str | None = None
  served_rmse: Figure | None = None
  shadow: ShadowRecord | None = None
  notes: tuple[str, ...] = ()
  compression: str | None = None
  reduction: ReductionFigures | None = None
  findings: tuple[FindingRecord, ...] = ()
  blessed: bool | None = None
  pushed_path: str | None = None
  pushed_version: str | None = None
  not_registered: str | None = None
  seconds: float | None = None
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
  git_commit: str | None = None
  made_of: MadeOf | None = None
  ended_early: bool = False
  window: WindowRecord | None = None
  triggers: tuple[Verdict, ...] = ()

  @property
  def newly_pushed(self) -> str | None:
    """The version that this very run pushed; `None` where it pushed none, or found its model pushed already."""
    return self.pushed_version if self.status is Status.PUSHED and PUSHER not in self.cached else None

  @property
  def failed(self) -> bool:
    """Whether something of the run failed, which the next one does again."""
    return self.status in (Status.ANOMALIES, Status.FAILED) or self.not_registered is not None

  def write(self, path: pathlib.Path) -> None:
    """Writes the file whole or not at all; also with a figure that is not a number, as a bad model may have."""
    write_whole(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + '\n')


class FailedStart(Record):
  """A run that was refused, or failed, before it had read its rides.

  Attributes:
    time: ISO 8601 in UTC.
    reason: why, in a sentence.
    config: resolved, as YAML.
  """

  time: str
  reason: str
  config: str = ''


def begin(config: RunConfig, output: OutputDirectory) -> None:
  """From here on the files of the output directory are of this run: its config is written, an older note goes."""
  write_whole(output.config, loading.dump(config))
  output.failed_start.unlink(missing_ok=True)


def write_failed_start(config: RunConfig, output: OutputDirectory, summary: Summary) -> None:
  """Leaves the files of the run before this one as they are, and a note beside them; a first run has its summary."""
  if not output.summary.is_file():
    begin(config, output)
    summary.write(output.summary)
    return
  now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
  note = FailedStart(time=now, reason=summary.reason, config=loading.dump(config))
  write_whole(output.failed_start, note.to_json() + '\n')
