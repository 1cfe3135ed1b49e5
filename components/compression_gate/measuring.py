"""What a lite file does with the eval rides: its fares, its time, its memory."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from components.compression_gate.bench import Bench
from configs.compression import Measurement
from models.lite.process import LiteProcess
from models.manifest import Latency

_BATCH_SHARE = 10
"""The larger batch is run this many times more rarely than the single ride: its calls are longer and vary less."""

_BATCH_MICROSECONDS = 20_000.0
"""What a visit may spend on the larger batch, so that big models don't take minutes."""


@dataclasses.dataclass(frozen=True)
class Measured:
  """What running one file gave.

  Attributes:
    fares: float32 [rides], finite.
    latency_us: of one ride.
    latency_batch_us: of `Measurement.batch` rides at once.
    peak_bytes: by how much loading the file and running that batch raised the
      peak of the process's resident memory.
  """

  fares: np.ndarray
  latency_us: Latency
  latency_batch_us: Latency
  peak_bytes: int


def measure(
  files: Mapping[str, pathlib.Path], rides: Mapping[str, np.ndarray], measurement: Measurement
) -> tuple[dict[str, Measured], dict[str, str]]:
  """Runs every file, each in a process of its own, with LiteRT's default delegates.

  Args:
    files: by name.
    rides: raw columns [rides] by name, at least one ride.
    measurement: rounds, calls, batch, threads.

  Returns:
    What each file gave, and one sentence for each file that was lost: it can't
    be loaded, its process crashed or hung, or a fare is no number.
  """
  single, batch = _batch(rides, 1), _batch(rides, measurement.batch)
  with Bench(files, measurement.threads) as bench:
    first = bench.ask_all(lambda process: _first_batch(process, batch))
    fares = bench.ask_all(lambda process: process.predict(rides))
    for name, found in fares.items():
      if not np.isfinite(found).all():
        bench.lose(name, f'It gives no number for {np.sum(~np.isfinite(found)):,} of {len(found):,} rides.')
    batch_calls = {name: _batch_calls(duration, measurement) for name, (duration, _) in first.items()}
    times = _rounds(bench, measurement.rounds, single, measurement.calls, batch, batch_calls)
    measured = {}
    for name in bench.names:
      one, many = map(_latency, times[name])
      measured[name] = Measured(fares[name], one, many, peak_bytes=first[name][1])
    return measured, bench.lost


def _batch(rides: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
  """As many rides as that; where there are fewer, they come again."""
  return {name: np.resize(column, count) for name, column in rides.items()}


def _first_batch(process: LiteProcess, batch: Mapping[str, np.ndarray]) -> tuple[float, int]:
  """Microseconds, and the peak of memory before more rides than these came in."""
  duration = float(process.time(batch, 1)[0])
  return duration, process.peak_bytes


def _batch_calls(duration: float, measurement: Measurement) -> int:
  return max(1, min(measurement.calls // _BATCH_SHARE, int(_BATCH_MICROSECONDS / duration)))


def _rounds(
  bench: Bench,
  rounds: int,
  single: Mapping[str, np.ndarray],
  calls: int,
  batch: Mapping[str, np.ndarray],
  batch_calls: Mapping[str, int],
) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
  """Microseconds of each call by round, of one ride and of the batch.

  A round visits every file once, one after the other and nothing beside it; its order is drawn anew, so that no file
  always follows the same neighbour.
  """

  def visit(name: str) -> tuple[np.ndarray, np.ndarray] | None:
    return bench.ask(name, lambda process: (process.time(single, calls), process.time(batch, batch_calls[name])))

  times: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {name: ([], []) for name in bench.names}
  generator = np.random.default_rng(0)
  for _ in range(rounds):
    for name in generator.permutation(bench.names).tolist():
      taken = visit(name)
      if taken is not None:
        for found, round_times in zip(times[name], taken, strict=True):
          found.append(round_times)
  return times


def _latency(rounds: list[np.ndarray]) -> Latency:
  p50, p99 = np.percentile(np.concatenate(rounds), [50, 99])
  medians = [float(np.median(calls)) for calls in rounds]
  return Latency(p50=float(p50), p99=float(p99), spread=(min(medians), max(medians)))
