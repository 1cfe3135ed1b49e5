"""The report of the gate: `compression.json`, and each eval ride with its predictions."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from components.compression_gate.budget import Candidate, Variant, frontier
from components.compression_gate.gate import EvalRides, Judgement
from components.compression_gate.records import CompressionRecord, JudgedVariant, SliceError
from components.parquet import pq
from configs.compression import Budget
from configs.dataset import COORDINATES, LABEL, TIME
from configs.records import Estimate
from models.metrics import SliceErrors

PREDICTIONS_FILE = 'predictions.parquet'
"""One row per eval ride; see `predictions`."""


def report(judgement: Judgement, variants: Sequence[Variant], rides: EvalRides, budget: Budget) -> CompressionRecord:
  """The judgement as `compression.json` has it.

  Returns: All variants in their order; what is not known of a lost one is null.
  """
  candidates = judgement.candidates
  rmse = {name: candidate.errors.rmse.value for name, candidate in candidates.items()}
  smallest = frontier({name: (candidate.bytes, rmse[name]) for name, candidate in candidates.items()})
  fastest = frontier({name: (candidate.microseconds, rmse[name]) for name, candidate in candidates.items()})
  return CompressionRecord(
    chosen=judgement.choice.chosen,
    reason=judgement.choice.reason,
    baseline=judgement.baseline,
    rides=len(rides),
    budget=budget,
    notes=tuple(judgement.notes),
    variants=tuple(
      _row(variant, candidates.get(variant.name), budget).model_copy(
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


def _row(variant: Variant, candidate: Candidate | None, budget: Budget) -> JudgedVariant:
  """A variant with all that is known of it; what is set is written, so what is not known is null."""
  known = dict(variant.facts)
  if candidate is None:
    return JudgedVariant(
      **known,
      rmse=None,
      mae=None,
      rmse_ratio=None,
      worst_slice=None,
      slices=(),
      latency_us=None,
      latency_batch_us=None,
      peak_bytes=None,
    )
  errors, worst = candidate.errors, candidate.worst_slice(budget)
  return JudgedVariant(
    **known,
    rmse=errors.rmse,
    mae=errors.mae,
    rmse_ratio=errors.rmse_ratio,
    worst_slice=_slice(*worst) if worst else None,
    slices=tuple(_slice(name, found) for name, found in errors.slices.items()),
    latency_us=candidate.measured.latency_us,
    latency_batch_us=candidate.measured.latency_batch_us,
    peak_bytes=candidate.measured.peak_bytes,
  )


def _slice(name: str, errors: SliceErrors) -> SliceError:
  return SliceError(name=name, rides=errors.rides, rmse=Estimate(errors.rmse), rmse_ratio=errors.rmse_ratio)


def predictions(judgement: Judgement, rides: EvalRides) -> bytes:
  """The content of `predictions.parquet`.

  Returns: Columns: `pickup_seconds` (int32), the coordinates (float32 degrees, NaN where missing), `fare_amount`, the
    slices' codes by their names in `transforms.names.SLICES` (int8), and the float32 predictions of the baseline and of
    the chosen variant, each under the variant's name.
  """
  columns = {name: pa.array(rides.columns[name]) for name in (TIME, *COORDINATES)} | {LABEL: pa.array(rides.fares)}
  columns |= {name: pa.array(codes, pa.int8()) for name, codes in rides.codes.items()}
  for name in (judgement.baseline, judgement.choice.chosen):
    if name is not None:
      columns[name] = pa.array(judgement.candidates[name].measured.fares)
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table(columns), sink)
  return bytes(sink.getvalue())
