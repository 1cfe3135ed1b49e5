"""The report of the gate: `compression.json`, and each eval ride with its predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from components.compression_gate.candidate import Candidate
from components.compression_gate.eval_rides import EvalRides
from components.compression_gate.frontier import frontier
from components.compression_gate.gate import Judgement
from components.compression_gate.variants import Variant
from components.parquet import pq
from configs.compression import Budget
from configs.dataset import COORDINATES, LABEL, TIME
from models.comparison import SliceErrors

REPORT_FILE = 'compression.json'
"""What the report page and `summary.json` read; see `report`."""

PREDICTIONS_FILE = 'predictions.parquet'
"""One row per eval ride; see `predictions`."""

_CONVERTED = (
  'file',
  'bytes',
  'gzip_bytes',
  'sha256',
  'feature_bytes',
  'sparsity',
  'distinct_weights',
  'types',
  'calibration_rides',
  'difference',
  'seconds',
  'cached',
)
"""What `variants.json` may leave out of a variant that was not made."""

_MEASURED = ('rmse', 'mae', 'rmse_ratio', 'worst_slice', 'latency_us', 'latency_batch_us', 'peak_bytes')


def report(judgement: Judgement, variants: Sequence[Variant], rides: EvalRides, budget: Budget) -> dict[str, Any]:
  """The judgement as JSON has it.

  Args:
    judgement: of the variants.
    variants: all of them.
    rides: the eval split.
    budget: what was asked.

  Returns:
    `chosen` (null where none was), `reason`, `baseline`, `rides`, `budget`,
    `notes`, and `variants` in their order. Each has the fields of
    `variants.json` and `rmse`, `mae`, `rmse_ratio` (`value`, `low`, `high`),
    `worst_slice`, `slices` (`name`, `rides`, `rmse`, `rmse_ratio`),
    `latency_us`, `latency_batch_us` (`p50`, `p99`, `spread`), `peak_bytes`,
    `within_budget`, `frontier_size`, `frontier_latency` and `reason`. What is
    not known of a lost variant is null.
  """
  candidates = judgement.candidates
  rmse = {name: candidate.errors.rmse.value for name, candidate in candidates.items()}
  smallest = frontier({name: (candidate.bytes, rmse[name]) for name, candidate in candidates.items()})
  fastest = frontier({name: (candidate.microseconds, rmse[name]) for name, candidate in candidates.items()})
  return {
    'chosen': judgement.choice.chosen,
    'reason': judgement.choice.reason,
    'baseline': judgement.baseline,
    'rides': len(rides),
    'budget': budget.model_dump(mode='json'),
    'notes': judgement.notes,
    'variants': [
      {
        **_row(variant, candidates.get(variant.name), budget),
        'within_budget': variant.name in candidates and not judgement.missed[variant.name],
        'frontier_size': variant.name in smallest,
        'frontier_latency': variant.name in fastest,
        'reason': judgement.lost.get(variant.name) or judgement.choice.reasons[variant.name],
      }
      for variant in variants
    ],
  }


def _row(variant: Variant, candidate: Candidate | None, budget: Budget) -> dict[str, Any]:
  converted = dict.fromkeys(_CONVERTED) | dict(variant.facts)
  if candidate is None:
    return converted | dict.fromkeys(_MEASURED) | {'slices': []}
  errors, worst = candidate.errors, candidate.worst_slice(budget)
  return {
    **converted,
    'rmse': errors.rmse.to_dict(),
    'mae': errors.mae.to_dict(),
    'rmse_ratio': errors.rmse_ratio.to_dict(),
    'worst_slice': _slice(*worst) if worst else None,
    'slices': [_slice(name, found) for name, found in errors.slices.items()],
    'latency_us': candidate.measured.latency_us,
    'latency_batch_us': candidate.measured.latency_batch_us,
    'peak_bytes': candidate.measured.peak_bytes,
  }


def _slice(name: str, errors: SliceErrors) -> dict[str, Any]:
  ratio = errors.rmse_ratio
  return {'name': name, **errors._asdict(), 'rmse_ratio': ratio.to_dict() if ratio else None}


def render(content: dict[str, Any]) -> str:
  """The text of `compression.json`."""
  return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + '\n'


def predictions(judgement: Judgement, rides: EvalRides) -> bytes:
  """The content of `predictions.parquet`.

  Returns:
    Columns: `pickup_seconds` (int32), the coordinates (float32 degrees, NaN
    where missing), `fare_amount`, the slices' codes by their names in
    `transforms.names.SLICES` (int8), and the float32 predictions of the
    baseline and of the chosen variant, each under the variant's name.
  """
  columns = {name: pa.array(rides.columns[name]) for name in (TIME, *COORDINATES)} | {LABEL: pa.array(rides.fares)}
  columns |= {name: pa.array(codes, pa.int8()) for name, codes in rides.codes.items()}
  for name in (judgement.baseline, judgement.choice.chosen):
    if name is not None:
      columns[name] = pa.array(judgement.candidates[name].measured.fares)
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table(columns), sink)
  return bytes(sink.getvalue())
