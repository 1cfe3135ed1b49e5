"""The page of a made run, for tests that read it: with another report of the gate, other figures, other rides."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.report.page import run_page
from pipeline.report.record import read_record
from tests.pipeline.made_run import compression, interval, made_run, write_json

GATE = 'artifacts/CompressionGate/report/12'
VARIANTS_TABLE = 'Variants, smallest file first'


def page_of(directory: pathlib.Path, gate: dict[str, Any] | None = None, **changes: Any) -> str:
  """The page of a made run: `gate` is another report of the gate, the rest replaces parts of the summary."""
  made_run(directory, **changes)
  if gate is not None:
    write_json(directory / GATE / 'compression.json', gate)
  return run_page(read_record(directory))


def told_of(directory: pathlib.Path) -> dict[str, Any]:
  """The summary of a made run."""
  return dict(json.loads((directory / 'summary.json').read_text(encoding='utf-8')))


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
  """The page of the made run as it is."""
  return page_of(tmp_path_factory.mktemp('page') / 'out')


def judged() -> dict[str, Any]:
  """A report of the gate on four files, the best of each column another one, the smallest file last."""
  told = compression()
  told['variants'] = told['variants'][:4]
  # RMSE, to float32, worst slice, KB, KB after gzip, p50, p99, batch, MB of memory, share of zeros.
  figures = (
    (4.1, 1.04, 1.09, 40_000, 39_000, 5.0, 9.0, 90.0, 70e6, 0.2),
    (4.2, 1.01, 1.08, 39_000, 37_000, 6.0, 8.0, 99.0, 60e6, 0.1),
    (4.3, 1.02, 1.03, 38_000, 36_000, 4.0, 10.0, 70.0, 90e6, 0.0),
    (4.4, 1.03, 1.07, 37_000, 38_000, 7.0, 11.0, 80.0, 80e6, 0.9),
  )
  for variant, (rmse, ratio, worst, size, zipped, p50, p99, batch, memory, zeros) in zip(
    told['variants'], figures, strict=True
  ):
    variant |= {
      'rmse': interval(rmse, 0.1),
      'rmse_ratio': interval(ratio, 0.01),
      'worst_slice': {'name': 'night', 'rides': 60, 'rmse': 6.0, 'rmse_ratio': interval(worst, 0.02)},
      'bytes': size,
      'gzip_bytes': zipped,
      'latency_us': {'p50': p50, 'p99': p99, 'spread': [p50 - 1, p50 + 2]},
      'latency_batch_us': {'p50': batch, 'p99': 2 * batch, 'spread': [batch - 1, batch + 1]},
      'peak_bytes': memory,
      'sparsity': zeros,
    }
  return told


def replace_predictions(directory: pathlib.Path, **columns: np.ndarray) -> None:
  """Replaces columns of the predictions."""
  path = directory / GATE / 'predictions.parquet'
  table = pq.read_table(path)
  names = table.column_names
  arrays = {name: columns.get(name.replace('.', '_'), table[name]) for name in names}
  pq.write_table(pa.table(arrays), path)
