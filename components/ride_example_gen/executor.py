"""Ingests every file of one or several spans in a Beam pipeline, and publishes the whole at once.

Beam may run a bundle twice, at the same time even. Each attempt writes under names of its own and ends with a note that
replaces the note of any other attempt at the same batch; only what a note names is published.
"""

from __future__ import annotations

import dataclasses
import json
import posixpath
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import apache_beam as beam
import numpy as np
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, component_spec, standard_component_specs
from tfx.utils import proto_utils

from components.artifacts import Quarantine
from components.ride_example_gen import spans
from components.ride_example_gen.encoding import TFRecordFile
from components.ride_example_gen.files import IngestionError, open_output
from components.ride_example_gen.ingestion import QUARANTINE, Outputs, count_stamps, ingest_file, merge_stamps
from components.ride_example_gen.listing import find_files
from components.ride_example_gen.patterns import has_spans
from components.ride_example_gen.quarantine import COUNTS_FILE, RideCounts, total
from components.ride_example_gen.splitting import chronological_threshold
from components.specs import Artifacts, Properties, channels, parameters
from configs.dataset import COORDINATES, LABEL, PASSENGERS, Dataset
from configs.parts import Part, load_part
from configs.split import Split, SplitMethod
from models.whole_files import move_whole, write_whole

DATASET = Part(
  Dataset,
  'format',
  'delimiter',
  'missing',
  'numbers',
  *(f'columns.{name}' for name in (LABEL, *COORDINATES, PASSENGERS)),
  'places',
  'time',
  *(f'extras.{name}' for name in ('name', 'column', 'kind', 'vocabulary')),
  *(f'rules.{name}' for name in ('fare', 'bounds', 'passengers', 'extras', 'earliest', 'latest')),
)
"""What ingestion reads; where the rides are is in the step's own parameters."""


def dump_split(split: Split) -> str:
  """JSON of a split; without what its method does not look at."""
  exclude = {SplitMethod.CHRONOLOGICAL: {'seed'}, SplitMethod.NEWEST_SPAN: {'seed', 'eval_share'}}.get(split.method)
  return json.dumps(split.model_dump(mode='json', exclude=exclude), sort_keys=True)


@dataclasses.dataclass(frozen=True)
class Staging:
  """The staging folder of one execution, on a disk or in a bucket that all workers reach."""

  uri: str

  def attempt(self) -> Attempt:
    """A fresh place for one attempt at one batch of files."""
    return Attempt(self, uuid.uuid4().hex)

  def note(self, index: int, kind: str) -> dict[str, Any]:
    """The note of the last whole attempt at the batch of this index."""
    with fileio.open(self._note_path(index, kind)) as file:
      return json.loads(file.read())

  def path(self, *parts: str) -> str:
    return posixpath.join(self.uri, *parts)

  def _note_path(self, index: int, kind: str) -> str:
    return self.path(f'{kind}-{index:05d}.json')


@dataclasses.dataclass(frozen=True)
class Attempt:
  """One attempt at one batch of files."""

  staging: Staging
  name: str

  def open(self, output: str) -> Any:
    """Opens a new output of this attempt for writing bytes."""
    fileio.makedirs(self.staging.path(self.name))
    return open_output(self.staging.path(self.name, output))

  def leave_note(self, index: int, kind: str, **values: Any) -> None:
    """Declares this attempt at the batch of this index to be whole; the last one counts."""
    fileio.makedirs(self.staging.uri)
    write_whole(self.staging._note_path(index, kind), json.dumps({'attempt': self.name, **values}))


def publish(
  notes: list[dict[str, Any]],
  staging: Staging,
  split_uris: dict[str, str],
  quarantine_uri: str,
  passed_over: Mapping[str, str],
) -> RideCounts:
  """Moves what the notes name into place and writes `counts.json`, the last of all.

  Args:
    notes: of every batch, in the files' order.
    passed_over: see `RideCounts`.
  """
  for split, uri in split_uris.items():
    fileio.makedirs(uri)
    shards = _outputs(notes, staging, split)
    if not shards:  # The steps after this one refuse a split without a file.
      shards = [staging.path(f'empty-{split}.gz')]
      TFRecordFile(open_output(shards[0])).close()
    for number, shard in enumerate(shards):
      move_whole(shard, posixpath.join(uri, f'data_tfrecord-{number:05d}-of-{len(shards):05d}.gz'))
  fileio.makedirs(quarantine_uri)
  parts = _outputs(notes, staging, QUARANTINE)
  for number, part in enumerate(parts):
    move_whole(part, posixpath.join(quarantine_uri, f'rows-{number:05d}-of-{len(parts):05d}.parquet'))
  counts = total([RideCounts.from_json(note['counts']) for note in notes])
  counts = dataclasses.replace(counts, passed_over=dict(passed_over))
  write_whole(posixpath.join(quarantine_uri, COUNTS_FILE), counts.to_json())
  fileio.rmtree(staging.uri)
  return counts


def _outputs(notes: list[dict[str, Any]], staging: Staging, output: str) -> list[str]:
  return [staging.path(note['attempt'], name) for note in notes for name in note['outputs'][output]]


def _threshold(notes: list[dict[str, Any]], staging: Staging, eval_share: float) -> int:
  """Of a chronological split, over the stamps of all files."""
  parts = []
  for path in _outputs(notes, staging, 'stamps'):
    with fileio.open(path, 'rb') as file:
      stamps, counts = np.frombuffer(file.read(), '<i8').reshape(2, -1)
    parts.append((stamps, counts))
  return chronological_threshold(*merge_stamps(parts), eval_share)


WINDOW_KEY = 'window'
EXCLUDE_KEY = 'exclude'


class RideExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
  """The spec of TFX's file-based ExampleGen with the mapping and the quarantine."""

  PARAMETERS = {
    **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
    **parameters('dataset', 'split', 'code_version'),
    WINDOW_KEY: component_spec.ExecutionParameter(type=int, optional=True),
    EXCLUDE_KEY: component_spec.ExecutionParameter(type=str, optional=True),
  }
  OUTPUTS = {**standard_component_specs.FileBasedExampleGenSpec.OUTPUTS, **channels(quarantine=Quarantine)}


Batches = list[tuple[str, ...]]
"""Paths that are read one after the other, into the same shards."""

_APART = 64
"""So many files have a shard each."""

_BATCH_BYTES = 1 << 20
"""Of more files, those that are together smaller than this share one: what a file costs by itself takes longer than to
read so much, and the steps behind open each shard."""


class Sources(NamedTuple):
  """What a step reads.

  Attributes:
    files: paths by the name of the input split, or of the span, the newest one last.
    passed_over: why it is not read, by path, of what the patterns find besides.
    sizes: bytes of the files, where they are known.
  """

  files: dict[str, tuple[str, ...]]
  passed_over: Mapping[str, str] = {}
  sizes: Mapping[str, int] = {}

  def batches(self) -> Batches:
    """All files in their order, small ones together where there are many."""
    files = [file for of_span in self.files.values() for file in of_span]
    batches: Batches = []
    room = 0
    for file in files:
      size = self.sizes.get(file, _BATCH_BYTES)
      if size < room and len(files) > _APART:
        batches[-1] += (file,)
      else:
        batches.append((file,))
        room = _BATCH_BYTES
      room -= size
    return batches


def sources_of(exec_properties: Mapping[str, Any]) -> Sources:
  """What the patterns of a step find. Raises `IngestionError`: no file matches."""
  input_config = example_gen_pb2.Input()
  proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
  input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
  patterns, outside = {split.name: split.pattern for split in input_config.splits}, {}
  if any(map(has_spans, patterns.values())):
    # No driver was here, or one whose findings were lost on the way.
    [pattern] = patterns.values()
    exclude = json.loads(exec_properties.get(EXCLUDE_KEY) or '[]')
    window = spans.latest_window(input_base, pattern, int(exec_properties.get(WINDOW_KEY) or 1), exclude=exclude)
    patterns, outside = {span.label: span.pattern for span in window.spans}, dict(window.outside)
  else:
    patterns = {spans.label_of_input(name): pattern for name, pattern in patterns.items()}
  found = {name: find_files(input_base, pattern) for name, pattern in patterns.items()}
  sizes: dict[str, int] = {}
  for listing in found.values():
    outside |= listing.passed_over
    sizes |= listing.sizes
  return Sources({name: listing.files for name, listing in found.items()}, outside, sizes)


class RideExampleGenExecutor(base_beam_executor.BaseBeamExecutor):
  """Writes train and eval Examples and the quarantine; fails on files that can't be read."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Raises `IngestionError` where no file matches, or one can't be read; nothing is published then."""
    self._log_startup(input_dict, output_dict, exec_properties)
    examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
    quarantine = artifact_utils.get_single_instance(output_dict['quarantine'])
    staging = Staging(posixpath.join(examples.uri, '_staging'))
    fileio.makedirs(staging.uri)
    dataset = self._dataset(exec_properties)
    sources = self._sources(exec_properties, staging)
    split = Split.model_validate_json(exec_properties['split'])
    split = spans.of_these_spans(split, len(sources.files))
    notes = self._ingest(sources, dataset, split, staging, self._called(exec_properties))
    examples.split_names = artifact_utils.encode_split_names(list(spans.SPLITS))
    split_uris = {name: artifact_utils.get_split_uri([examples], name) for name in spans.SPLITS}
    publish(notes, staging, split_uris, quarantine.uri, sources.passed_over)
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, 'tfrecords_gzip')

  def _dataset(self, exec_properties: Properties) -> Dataset:
    return load_part(Dataset, exec_properties['dataset'])

  def _sources(self, exec_properties: Properties, staging: Staging) -> Sources:
    return sources_of(exec_properties)

  def _called(self, exec_properties: Properties) -> str | None:
    """What the source is called where it is not files of the user's; None where it is."""
    return None

  def _ingest(
    self, sources: Sources, dataset: Dataset, split: Split, staging: Staging, called: str | None
  ) -> list[dict[str, Any]]:
    """The notes of all batches of files, by one pass over them, or two for a chronological split."""
    batches = sources.batches()
    thresholds = spans.span_thresholds(sources.files, split)
    if split.method is SplitMethod.CHRONOLOGICAL:
      notes = self._for_each_batch(batches, _CountStamps(dataset, staging, called), staging, _CountStamps.NOTE)
      thresholds = dict.fromkeys(thresholds, _threshold(notes, staging, split.eval_share))
    span_of = {file: span for span, of_span in sources.files.items() for file in of_span}
    step = _Ingest(dataset, split, staging, thresholds, called, span_of)
    return self._for_each_batch(batches, step, staging, _Ingest.NOTE)

  def _for_each_batch(self, batches: Batches, step: beam.DoFn, staging: Staging, note: str) -> list[dict[str, Any]]:
    with self._make_beam_pipeline() as pipeline:
      indexed = pipeline | 'Files' >> beam.Create(list(enumerate(batches)), reshuffle=len(batches) > 1)
      _ = indexed | type(step).__name__.strip('_') >> beam.ParDo(step)
    notes = [staging.note(index, note) for index in range(len(batches))]
    errors = [error for note in notes for error in note.get('errors', ())]
    if errors:
      raise IngestionError('\n'.join(errors))
    return notes


T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class _Batch:
  """Files that are read one after the other.

  Attributes:
    called: what they are called where the user does not know them.
    errors: why some of them can't be read, so far.
  """

  paths: tuple[str, ...]
  called: str | None
  errors: list[str] = dataclasses.field(default_factory=list)

  def each(self, read: Callable[[str], T]) -> list[T]:
    """What `read` makes of each file that can be read."""
    made = []
    for path in self.paths:
      try:
        made.append(read(path))
      except IngestionError as error:
        self.errors.append(str(error).replace(path, self.called or path))
    return made


class _EachBatch(beam.DoFn):
  """Does one batch of files in an attempt of its own, and leaves a note on it.

  An unreadable file is noted instead of raised, as Beam would try it again and bury the sentence in a trace, and as all
  such files are named at once.
  """

  NOTE: str

  def __init__(self, dataset: Dataset, staging: Staging, called: str | None = None):
    super().__init__()
    self._dataset = dataset
    self._staging = staging
    self._called = called

  def process(self, element: tuple[int, tuple[str, ...]]) -> Iterable[None]:
    index, paths = element
    batch, attempt = _Batch(paths, self._called), self._staging.attempt()
    values = self._do(batch, attempt)
    attempt.leave_note(index, self.NOTE, **({'errors': batch.errors} if batch.errors else values))
    return ()

  def _do(self, batch: _Batch, attempt: Attempt) -> dict[str, Any]:
    """The values of the note."""
    raise NotImplementedError


class _CountStamps(_EachBatch):
  """Keeps the time stamps of the files' valid rides, for the threshold of a chronological split."""

  NOTE = 'stamps'

  def _do(self, batch: _Batch, attempt: Attempt) -> dict[str, Any]:
    none = np.zeros(0, np.int64)
    stamps = merge_stamps([(none, none), *batch.each(lambda path: count_stamps(path, self._dataset))])
    with attempt.open('stamps.npy') as file:
      file.write(np.stack(stamps).astype('<i8').tobytes())
    return {'outputs': {'stamps': ['stamps.npy']}}


class _Ingest(_EachBatch):
  """Stages the shards of a batch."""

  NOTE = 'outcome'

  def __init__(
    self,
    dataset: Dataset,
    split: Split,
    staging: Staging,
    thresholds: Mapping[str, int | None],
    called: str | None = None,
    span_of: Mapping[str, str] | None = None,
  ):
    super().__init__(dataset, staging, called)
    self._split = split
    self._thresholds = thresholds
    self._span_of = span_of or {}

  def _do(self, batch: _Batch, attempt: Attempt) -> dict[str, Any]:
    with Outputs(attempt.open, gathers=len(batch.paths) > 1) as outputs:
      counts = batch.each(lambda path: self._ingest(path, outputs))
    return {'counts': total(counts).to_json(), 'outputs': outputs.names}

  def _ingest(self, path: str, outputs: Outputs) -> RideCounts:
    threshold, span = self._thresholds.get(path), self._span_of.get(path, '')
    return ingest_file(path, self._dataset, self._split, outputs, threshold, self._called, span)
