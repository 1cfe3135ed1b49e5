"""The report of the gate: `compression.json`, and each eval example with its predictions."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from components.compression_gate.budget import Candidate, Variant, frontier
from components.compression_gate.gate import Judgement
from components.compression_gate.records import CompressionRecord, JudgedVariant, SliceError
from components.parquet import pq
from configs.compression import Budget
from models.metrics import SliceErrors
from models.protocols import EvalExamples, Metric

PREDICTIONS_FILE = 'predictions.parquet'
"""One row per eval example; see `predictions`."""


def report(
  judgement: Judgement, variants: Sequence[Variant], examples: EvalExamples, budget: Budget
) -> CompressionRecord:
  """The judgement as `compression.json` has it.

  Args:
    judgement: of the variants.
    variants: all of them.
    examples: the eval split.
    budget: what was asked.

  Returns:
    All variants in their order; what is not known of a lost one is null.
  """
  candidates = judgement.candidates
  error = {name: candidate.errors.error.value for name, candidate in candidates.items()}
  smallest = frontier({name: (candidate.bytes, error[name]) for name, candidate in candidates.items()})
  fastest = frontier({name: (candidate.microseconds, error[name]) for name, candidate in candidates.items()})
  return CompressionRecord(
    chosen=judgement.choice.chosen,
    reason=judgement.choice.reason,
    baseline=judgement.baseline,
    rides=len(examples),
    budget=budget,
    notes=tuple(judgement.notes),
    variants=tuple(
      _row(variant, candidates.get(variant.name), examples.metric, budget).model_copy(
        update={
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
    return JudgedVariant(
      **known | metric.figures(None),
      worst_slice=None,
      slices=(),
      latency_us=None,
      latency_batch_us=None,
      peak_bytes=None,
    )
  errors, worst = candidate.errors, candidate.worst_slice(budget)
  return JudgedVariant(
    **known | metric.figures(errors),
    worst_slice=_slice(*worst, metric) if worst else None,
    slices=tuple(_slice(name, found, metric) for name, found in errors.slices.items()),
    latency_us=candidate.measured.latency_us,
    latency_batch_us=candidate.measured.latency_batch_us,
    peak_bytes=candidate.measured.peak_bytes,
  )


def _slice(name: str, errors: SliceErrors, metric: Metric) -> SliceError:
  return SliceError.model_validate({'name': name, 'rides': errors.examples} | metric.slice_figures(errors))


def predictions(judgement: Judgement, examples: EvalExamples) -> bytes:
  """The content of `predictions.parquet`.

  Returns:
    The columns that `EvalExamples.shown` gives, and the float32 predictions of
    the baseline and of the chosen variant, each under the variant's name.
  """
  columns = {name: pa.array(column) for name, column in examples.shown().items()}
  for name in (judgement.baseline, judgement.choice.chosen):
    if name is not None:
      columns[name] = pa.array(judgement.candidates[name].measured.predictions)
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table(columns), sink)
  return bytes(sink.getvalue())
