"""Ingests every file of one or several spans in a Beam pipeline, and publishes the whole at once."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from components.ride_example_gen import parameters, publishing, spec, splitting
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.ingestion import count_stamps, ingest_file
from components.ride_example_gen.source import span_files
from configs.dataset import Dataset
from configs.parts import load_part
from configs.split import Split, SplitMethod


class RideExampleGenExecutor(base_beam_executor.BaseBeamExecutor):
  """Writes train and eval Examples and the quarantine; fails on files that can't be read."""

  def Do(  # noqa: N802, TFX's name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """See `RideExampleGen`.

    Raises:
      IngestionError: no file matches, or a file can't be read; nothing is published then.
    """
    self._log_startup(input_dict, output_dict, exec_properties)
    examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
    quarantine = artifact_utils.get_single_instance(output_dict[spec.QUARANTINE_KEY])
    staging = publishing.Staging(posixpath.join(examples.uri, '_staging'))
    fileio.makedirs(staging.uri)
    dataset = self._dataset(exec_properties)
    spans = self._sources(exec_properties, staging)
    split = parameters.load_split(exec_properties[spec.SPLIT_KEY])
    if split.method is SplitMethod.NEWEST_SPAN and len(spans) < 2:
      split = splitting.of_a_single_span(split)
    notes = self._ingest(spans, dataset, split, staging, self._called(exec_properties))
    examples.split_names = artifact_utils.encode_split_names(list(splitting.SPLITS))
    split_uris = {name: artifact_utils.get_split_uri([examples], name) for name in splitting.SPLITS}
    publishing.publish(notes, staging, split_uris, quarantine.uri)
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, 'tfrecords_gzip')

  def _dataset(self, exec_properties: dict[str, Any]) -> Dataset:
    return load_part(Dataset, exec_properties[spec.DATASET_KEY])

  def _sources(self, exec_properties: dict[str, Any], staging: publishing.Staging) -> dict[str, tuple[str, ...]]:
    """Paths of the files to read by span, the newest one last."""
    return span_files(exec_properties)

  def _called(self, exec_properties: dict[str, Any]) -> str | None:
    """What the source is called where it is not files of the user's; None where it is."""
    return None

  def _ingest(
    self,
    spans: dict[str, tuple[str, ...]],
    dataset: Dataset,
    split: Split,
    staging: publishing.Staging,
    called: str | None = None,
  ) -> list[dict[str, Any]]:
    """The notes of all files, by one pass over them, or two for a chronological split."""
    *_, newest = spans.values()
    files = tuple(file for below in spans.values() for file in below)
    thresholds: dict[str, int] = {}
    if split.method is SplitMethod.CHRONOLOGICAL:
      notes = self._for_each_file(files, _CountStamps(dataset, staging, called), staging, _CountStamps.NOTE)
      thresholds = dict.fromkeys(files, publishing.load_threshold(notes, staging, split.eval_share))
    elif split.method is SplitMethod.NEWEST_SPAN:
      thresholds = {file: splitting.ALL if file in newest else splitting.NONE for file in files}
    return self._for_each_file(files, _Ingest(dataset, split, staging, thresholds, called), staging, _Ingest.NOTE)

  def _for_each_file(
    self, files: tuple[str, ...], step: beam.DoFn, staging: publishing.Staging, note: str
  ) -> list[dict[str, Any]]:
    with self._make_beam_pipeline() as pipeline:
      indexed = pipeline | 'Files' >> beam.Create(list(enumerate(files)), reshuffle=len(files) > 1)
      _ = indexed | type(step).__name__.strip('_') >> beam.ParDo(step)
    notes = [staging.note(index, note) for index in range(len(files))]
    publishing.raise_errors(notes)
    return notes


class _CountStamps(beam.DoFn):
  """Notes the time stamps of a file's valid rides."""

  NOTE = 'stamps'

  def __init__(self, dataset: Dataset, staging: publishing.Staging, called: str | None = None):
    super().__init__()
    self._dataset = dataset
    self._staging = staging
    self._called = called

  def process(self, element: tuple[int, str]) -> Iterable[None]:
    index, path = element
    attempt = self._staging.attempt()
    try:
      publishing.save_stamps(attempt, index, *count_stamps(path, self._dataset))
    except IngestionError as error:
      attempt.leave_note(index, self.NOTE, error=_told(error, path, self._called))
    return ()


class _Ingest(beam.DoFn):
  """Stages a file's shards.

  An unreadable file is noted instead of raised, as Beam would try it again and
  bury the sentence in a trace, and as all such files are told at once.
  """

  NOTE = 'outcome'

  def __init__(
    self,
    dataset: Dataset,
    split: Split,
    staging: publishing.Staging,
    thresholds: dict[str, int],
    called: str | None = None,
  ):
    super().__init__()
    self._dataset = dataset
    self._split = split
    self._staging = staging
    self._thresholds = thresholds
    self._called = called

  def process(self, element: tuple[int, str]) -> Iterable[None]:
    index, path = element
    attempt = self._staging.attempt()
    try:
      outcome = ingest_file(path, self._dataset, self._split, attempt.open, self._thresholds.get(path), self._called)
    except IngestionError as error:
      attempt.leave_note(index, self.NOTE, error=_told(error, path, self._called))
    else:
      attempt.leave_note(index, self.NOTE, **publishing.outcome_values(outcome))
    return ()


def _told(error: IngestionError, path: str, called: str | None) -> str:
  """The sentence about a file; one that the user does not know goes by the source's name."""
  return str(error).replace(path, called) if called else str(error)
