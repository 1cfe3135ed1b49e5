"""Replaces the numeric column of transformed record batches inside a Beam pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from models.reduction.fitted import Fitted
from transforms import names


class Reduce(beam.DoFn):
  """Record batches of the full vector to record batches of the reduced one, without the categories it took."""

  def __init__(self, fitted: Fitted) -> None:
    super().__init__()
    self._fitted = fitted

  def process(self, batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, dict[str, object]]]:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    full = _values(columns[names.NUMERIC]).reshape(batch.num_rows, len(self._fitted.names))
    taken = {name: _values(columns.pop(name)) for name in self._fitted.taken}
    reduced = self._fitted.apply(full, taken)
    ends = pa.array(np.arange(batch.num_rows + 1, dtype=np.int64) * reduced.shape[1])
    columns[names.NUMERIC] = pa.LargeListArray.from_arrays(ends, pa.array(reduced.reshape(-1)))
    yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns)), {}


def _values(column: pa.Array) -> np.ndarray:
  return np.asarray(column.flatten().to_numpy(zero_copy_only=False))
