"""Ingests every file of one or several spans in a Beam pipeline, and publishes the whole at once.

Beam may run a bundle twice, at the same time even. Each attempt writes under names of its own and ends with a note that
replaces the note of any other attempt at the same file; only what a note names is published.
"""

from __future__ import annotations

import dataclasses
import json
import posixpath
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

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
from components.ride_example_gen.files import IngestionError, find_files, open_output
from components.ride_example_gen.ingestion import QUARANTINE, count_stamps, ingest_file, merge_stamps
from components.ride_example_gen.quarantine import COUNTS_FILE, RideCounts, total
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
  *(f'columns.{name}' for name in (LABEL, *COORDINATES, PASSENGERS)),
  'time',
  *(f'extras.{name}' for name in ('name', 'column', 'kind', 'vocabulary')),
  *(f'rules.{name}' for name in ('fare', 'bounds', 'passengers', 'earliest', 'latest')),
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
    """A fresh place for one attempt at one file."""
    return Attempt(self, uuid.uuid4().hex)

  def note(self, index: int, kind: str) -> dict[str, Any]:
    """The note of the last whole attempt at the file of this index."""
    with fileio.open(self._note_path(index, kind)) as file:
      return json.loads(file.read())

  def path(self, *parts: str) -> str:
    return posixpath.join(self.uri, *parts)

  def _note_path(self, index: int, kind: str) -> str:
    return self.path(f'{kind}-{index:05d}.json')


@dataclasses.dataclass(frozen=True)
class Attempt:
  """One attempt at one file."""

  staging: Staging
  name: str

  def open(self, output: str) -> Any:
    """Opens a new output of this attempt for writing bytes."""
    fileio.makedirs(self.staging.path(self.name))
    return open_output(self.staging.path(self.name, output))

  def leave_note(self, index: int, kind: str, **values: Any) -> None:
    """Declares this attempt at the file of this index to be whole; the last one counts."""
    fileio.makedirs(self.staging.uri)
    write_whole(self.staging._note_path(index, kind), json.dumps({'attempt': self.name, **values}))


def publish(
  notes: list[dict[str, Any]], staging: Staging, split_uris: dict[str, str], quarantine_uri: str
) -> RideCounts:
  """Moves what the notes name into place and writes `counts.json`, the last of all.

  Args: notes: of every file, in the files' order.
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
  return spans.chronological_threshold(*merge_stamps(parts), eval_share)


WINDOW_KEY = 'window'


class RideExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
  """The spec of TFX's file-based ExampleGen with the mapping and the quarantine."""

  PARAMETERS = {
    **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
    **parameters('dataset', 'split', 'code_version'),
    WINDOW_KEY: component_spec.ExecutionParameter(type=int, optional=True),
  }
  OUTPUTS = {**standard_component_specs.FileBasedExampleGenSpec.OUTPUTS, **channels(quarantine=Quarantine)}


def span_files(exec_properties: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
  """Paths of the files to read by the label of their span, or the name of the input split, the newest one last.

  Raises: IngestionError: no file matches.
  """
  input_config = example_gen_pb2.Input()
  proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
  input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
  if any(spans.has_spans(split.pattern) for split in input_config.splits):
    # No driver was here, or one whose findings were lost on the way.
    [split] = input_config.splits
    window = spans.latest_window(input_base, split.pattern, int(exec_properties.get(WINDOW_KEY) or 1))
    return {span.label: span.files for span in window.spans}
  return {spans.label_of_input(split.name): find_files(input_base, split.pattern) for split in input_config.splits}


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
    split = spans.of_these_spans(split, len(sources))
    notes = self._ingest(sources, dataset, split, staging, self._called(exec_properties))
    examples.split_names = artifact_utils.encode_split_names(list(spans.SPLITS))
    split_uris = {name: artifact_utils.get_split_uri([examples], name) for name in spans.SPLITS}
    publish(notes, staging, split_uris, quarantine.uri)
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, 'tfrecords_gzip')

  def _dataset(self, exec_properties: Properties) -> Dataset:
    return load_part(Dataset, exec_properties['dataset'])

  def _sources(self, exec_properties: Properties, staging: Staging) -> dict[str, tuple[str, ...]]:
    """Paths of the files to read by span, the newest one last."""
    return span_files(exec_properties)

  def _called(self, exec_properties: Properties) -> str | None:
    """What the source is called where it is not files of the user's; None where it is."""
    return None

  def _ingest(
    self, sources: dict[str, tuple[str, ...]], dataset: Dataset, split: Split, staging: Staging, called: str | None
  ) -> list[dict[str, Any]]:
    """The notes of all files, by one pass over them, or two for a chronological split."""
    thresholds = spans.span_thresholds(sources, split)
    files = tuple(thresholds)
    if split.method is SplitMethod.CHRONOLOGICAL:
      notes = self._for_each_file(files, _CountStamps(dataset, staging, called), staging, _CountStamps.NOTE)
      thresholds = dict.fromkeys(files, _threshold(notes, staging, split.eval_share))
    span_of = {file: span for span, of_span in sources.items() for file in of_span}
    step = _Ingest(dataset, split, staging, thresholds, called, span_of)
    return self._for_each_file(files, step, staging, _Ingest.NOTE)

  def _for_each_file(
    self, files: tuple[str, ...], step: beam.DoFn, staging: Staging, note: str
  ) -> list[dict[str, Any]]:
    with self._make_beam_pipeline() as pipeline:
      indexed = pipeline | 'Files' >> beam.Create(list(enumerate(files)), reshuffle=len(files) > 1)
      _ = indexed | type(step).__name__.strip('_') >> beam.ParDo(step)
    notes = [staging.note(index, note) for index in range(len(files))]
    errors = [note['error'] for note in notes if note.get('error')]
    if errors:
      raise IngestionError('\n'.join(errors))
    return notes


class _EachFile(beam.DoFn):
  """Does one file in an attempt of its own, and leaves a note on it.

  An unreadable file is noted instead of raised, as Beam would try it again and bury the sentence in a trace, and as all
  such files are named at once.
  """

  NOTE: str

  def __init__(self, dataset: Dataset, staging: Staging, called: str | None = None):
    super().__init__()
    self._dataset = dataset
    self._staging = staging
    self._called = called

  def process(self, element: tuple[int, str]) -> Iterable[None]:
    index, path = element
    attempt = self._staging.attempt()
    try:
      values = self._do(path, attempt)
    except IngestionError as error:
      # A file that the user does not know goes by the source's name.
      values = {'error': str(error).replace(path, self._called or path)}
    attempt.leave_note(index, self.NOTE, **values)
    return ()

  def _do(self, path: str, attempt: Attempt) -> dict[str, Any]:
    """The values of the note."""
    raise NotImplementedError


class _CountStamps(_EachFile):
  """Keeps the time stamps of a file's valid rides, for the threshold of a chronological split."""

  NOTE = 'stamps'

  def _do(self, path: str, attempt: Attempt) -> dict[str, Any]:
    stamps = np.stack(count_stamps(path, self._dataset))
    with attempt.open('stamps.npy') as file:
      file.write(stamps.astype('<i8').tobytes())
    return {'outputs': {'stamps': ['stamps.npy']}}


class _Ingest(_EachFile):
  """Stages a file's shards."""

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

  def _do(self, path: str, attempt: Attempt) -> dict[str, Any]:
    counts, outputs = ingest_file(
      path,
      self._dataset,
      self._split,
      attempt.open,
      self._thresholds.get(path),
      self._called,
      self._span_of.get(path, ''),
    )
    return {'counts': counts.to_json(), 'outputs': outputs}
