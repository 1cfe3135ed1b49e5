"""The report of the gate: `compression.json`, and each eval example with its predictions."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.compression_gate.choice import NO_THRESHOLDS, Candidate, Thresholds, Variant, cost, frontier
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.records import CompressionRecord, JudgedVariant, SliceError
from components.parquet import pq
from components.quantization_rewriter.records import file_facts
from configs.compression import Budget, Compression, Objective
from configs.errors import UserError
from configs.records import RESAMPLES
from models.error_intervals import SliceErrors
from models.protocols import EvalExamples, Metric
from models.task_metrics import confusion, predicted_classes

PREDICTIONS_FILE = 'predictions.parquet'
"""One row per eval example; see `predictions`."""

MOST_CLASSES = 50
"""Of more, no confusion matrix is kept."""


def judge_files(
  files: Iterable[str | os.PathLike[str]],
  examples: EvalExamples,
  compression: Compression,
  resamples: int = RESAMPLES,
  thresholds: Thresholds = NO_THRESHOLDS,
) -> CompressionRecord:
  """The gate's verdict on lite files, wherever they come from.

  Args:
    files: each called `<recipe>.<scheme>.tflite`, as the QuantizationRewriter calls them. `dense.float32.tflite`,
      or the first whose scheme has precision float32, is what the others' errors are compared with.
    examples: the eval split.
    compression: schemes, budget, measurement.
    resamples: number of draws of an interval.
    thresholds: held against each file; by default none is.
  Returns: What `compression.json` holds: the chosen variant, and each one's figures and why it was chosen or not.
  Raises:
    FailedError: there is no float32 variant to compare with.
    UserError: two files have the same name.
    OSError: a file can't be read.
  """
  variants = [Variant(file_facts(path.stem, path.read_bytes()), path) for path in map(pathlib.Path, files)]
  for name, count in collections.Counter(variant.name for variant in variants).items():
    if count > 1:
      raise UserError(f"{count} of the files are called '{name}.tflite'; each needs a name of its own.")
  return report(
    judge(variants, examples, compression, resamples, thresholds=thresholds), variants, examples, compression
  )


def report(
  judgement: Judgement, variants: Sequence[Variant], examples: EvalExamples, compression: Compression
) -> CompressionRecord:
  """The judgement as `compression.json` has it.

  Returns: All variants in their order; what is not known of a lost one is null.
  """
  candidates, budget = judgement.candidates, compression.budget
  error = {name: cost(candidate, Objective.ERROR) for name, candidate in candidates.items()}
  smallest = frontier(
    {name: (cost(candidate, compression.objective.size), error[name]) for name, candidate in candidates.items()}
  )
  fastest = frontier({name: (candidate.microseconds, error[name]) for name, candidate in candidates.items()})
  known = {'drawn_from': judgement.drawn_from, 'shadow': judgement.shadow}
  there: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
  metric = examples.metric
  if metric.key != CompressionRecord.model_fields['metric'].default:
    there['metric'] = metric.key
  there[f'served_{metric.key}'] = judgement.served.error if judgement.served else None
  return CompressionRecord(
    chosen=judgement.choice.chosen,
    reason=judgement.choice.reason,
    baseline=judgement.baseline,
    served_version=judgement.served.version if judgement.served else None,
    rides=len(examples),
    **there,
    budget=budget,
    objective=compression.objective,
    notes=tuple(judgement.notes),
    variants=tuple(
      _row(variant, candidates.get(variant.name), metric, budget).model_copy(
        update={
          **_told_apart(variant.name, judgement, examples),
          'within_budget': variant.name in candidates and not judgement.missed[variant.name],
          'frontier_size': variant.name in smallest,
          'frontier_latency': variant.name in fastest,
          'reason': judgement.lost.get(variant.name) or judgement.choice.reasons[variant.name],
        }
      )
      for variant in variants
    ),
  )


def _row(variant: Variant, candidate: Candidate | None, metric: Metric, budget: Budget) -> JudgedVariant:
  """A variant with all that is known of it; what is set is written, so what is not known is null."""
  known = dict(variant.facts)
  if candidate is None:
    unknown = dict.fromkeys(('worst_slice', 'latency_us', 'latency_batch_us', 'peak_bytes'))
    return JudgedVariant(**known | metric.figures(None) | unknown, slices=())
  errors, worst = candidate.errors, candidate.worst_slice(budget)
  return JudgedVariant(
    **known | metric.figures(errors),
    worst_slice=_slice(*worst, metric) if worst else None,
    slices=tuple(_slice(name, found, metric) for name, found in errors.slices.items()),
    latency_us=candidate.measured.latency_us,
    latency_batch_us=candidate.measured.latency_batch_us,
    peak_bytes=candidate.measured.peak_bytes,
  )


def _told_apart(name: str, judgement: Judgement, examples: EvalExamples) -> dict[str, Any]:
  """The confusion matrix of the baseline and of the chosen one, where they tell few enough classes."""
  if not examples.metric.classifies or name not in (judgement.baseline, judgement.choice.chosen):
    return {}
  cells = confusion(examples.labels, judgement.candidates[name].measured.predictions)
  return {'confusion': tuple(map(tuple, cells.tolist()))} if len(cells) <= MOST_CLASSES else {}


def _slice(name: str, errors: SliceErrors, metric: Metric) -> SliceError:
  return SliceError.model_validate({'name': name, 'rides': errors.examples} | metric.slice_figures(errors))


def predictions(judgement: Judgement, examples: EvalExamples) -> bytes:
  """The content of `predictions.parquet`.

  Returns: The columns that `EvalExamples.shown` gives, and the float32 predictions of the baseline and of the chosen
    variant, each under the variant's name; of classes the most likely one, int16, and its probability, float32, under
    `<variant>.probability`.
  """
  columns = {name: pa.array(column) for name, column in examples.shown().items()}
  for name in (judgement.baseline, judgement.choice.chosen):
    if name is None:
      continue
    found = judgement.candidates[name].measured.predictions
    if not examples.metric.classifies:
      columns[name] = pa.array(found)
      continue
    classes, probabilities = predicted_classes(found)
    columns[name] = pa.array(classes.astype(np.int16))
    columns[f'{name}.probability'] = pa.array(probabilities.astype(np.float32))
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table(columns), sink)
  return bytes(sink.getvalue())
