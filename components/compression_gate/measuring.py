"""What lite files do with the eval split, in processes of their own: predictions, time, memory."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import TypeVar

import numpy as np

from components.compression_gate.predicted_ahead import PREDICTED_AHEAD, digest_of, key
from configs.compression import Measurement
from models.lite.interpreter import AnyFile, LiteFileError
from models.lite.process import LiteCrashError, LiteProcess, StartedAhead
from models.protocols import FileContract
from models.release import Latency

Answer = TypeVar('Answer')

_AT_ONCE = 3
"""Processes that start, end or answer at the same time; more than cores, as each also waits for its disk."""


class Bench:
  """Runs files; use it with `with`.

  Attributes: lost: one sentence by the name of each file that can't be used or whose process crashed.
  """

  def __init__(
    self,
    files: Mapping[str, pathlib.Path],
    threads: int,
    contract: FileContract | None = None,
    ahead: StartedAhead | None = None,
  ) -> None:
    """Starts nothing yet.

    Args:
      files: by name.
      contract: of each file; that of any file where it is left out.
      ahead: gives the processes.
    """
    self.lost: dict[str, str] = {}
    self._files = files
    self._processes = {name: LiteProcess(path, threads, contract=contract, ahead=ahead) for name, path in files.items()}
    self._alive: list[str] = []

  def __enter__(self) -> Bench:
    """Starts every process; default delegates are on."""
    self._alive = [*self._files]
    self.ask_all(LiteProcess.__enter__)
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      for name in self._alive:
        pool.submit(self._processes[name].__exit__, kind, error, trace)

  @property
  def names(self) -> list[str]:
    """The files whose processes live, in their order."""
    return [*self._alive]

  def ask(self, name: str, question: Callable[[LiteProcess], Answer]) -> Answer | None:
    """One process's answer; `None` where the question lost it."""
    try:
      return question(self._processes[name])
    except LiteCrashError as error:
      reason = f'The process that ran it was lost: {error.reason}.'
    except LiteFileError as error:
      reason = str(error).replace(str(self._files[name]), self._files[name].name)
    self.lose(name, reason)
    return None

  def ask_all(self, question: Callable[[LiteProcess], Answer], spared: Collection[str] = ()) -> dict[str, Answer]:
    """The answers of those that live on, by name; a few processes work at a time. Args: spared: are not asked."""
    names = [name for name in self._alive if name not in spared]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      answers = pool.map(lambda name: self.ask(name, question), names)
      return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}

  def lose(self, name: str, reason: str) -> None:
    """Gives a file up, in one sentence, and ends its process."""
    self.lost[name] = reason
    self._alive.remove(name)
    self._processes[name].__exit__(None, None, None)


_BATCH_SHARE = 10
"""The larger batch is run this many times more rarely than the single example: its calls are longer and vary less."""

_BATCH_MICROSECONDS = 20_000.0
"""What a visit may spend on the larger batch, so that big models don't take minutes."""


@dataclasses.dataclass(frozen=True)
class Measured:
  """What running one file gave.

  Attributes:
    predictions: float32 [examples] or [examples, classes], finite.
    latency_us: of one example; a call sets the inputs, invokes and gets the output.
    latency_batch_us: of `Measurement.batch` examples at once.
    peak_bytes: by how much loading the file and running that batch raised the peak of the process's resident memory.
  """

  predictions: np.ndarray
  latency_us: Latency
  latency_batch_us: Latency
  peak_bytes: int


def measure(
  files: Mapping[str, pathlib.Path],
  columns: Mapping[str, np.ndarray],
  measurement: Measurement,
  contract: FileContract | None = None,
  ahead: StartedAhead | None = None,
) -> tuple[dict[str, Measured], dict[str, str]]:
  """Runs every file, each in a process of its own, with LiteRT's default delegates.

  A few predict at the same time, except those that have done so already (`predicted_ahead`). While one is timed, all
  others wait.

  Args:
    files: by name.
    columns: raw ones [examples, ...] by name, at least one example.
    contract: of each file.
    ahead: gives the processes; none of those that it has left may be at work.
  Returns: What each file gave, and one sentence for each file that was lost: it can't be loaded, its process crashed or
    hung, or a prediction is no number.
  """
  single, batch = _batch(columns, 1), _batch(columns, measurement.batch)
  terms = (contract or AnyFile()).terms

  def run(process: LiteProcess) -> tuple[float, int]:
    """Microseconds, and the peak of memory before more examples than these come in."""
    return float(process.time(batch, 1)[0]), process.peak_bytes

  with Bench(files, measurement.threads, contract, ahead) as bench:
    first = bench.ask_all(run)
    predictions = _predicted_ahead(files, columns, measurement.threads)
    predictions |= bench.ask_all(lambda process: process.predict(columns), predictions)
    for name in bench.names:
      found = predictions[name]
      if not np.isfinite(found).all():
        lost = int(np.sum(~np.isfinite(found).reshape(len(found), -1).all(axis=1)))
        bench.lose(name, f'It gives no number for {lost:,} of {len(found):,} {terms.examples}.')
    most = measurement.calls // _BATCH_SHARE
    batch_calls = {name: max(1, min(most, int(_BATCH_MICROSECONDS / time))) for name, (time, _) in first.items()}
    times = _rounds(bench, measurement, single, batch, batch_calls)
    measured = {}
    for name in bench.names:
      one, many = map(_latency, times[name])
      measured[name] = Measured(predictions[name], one, many, first[name][1])
    return measured, bench.lost


def _predicted_ahead(
  files: Mapping[str, pathlib.Path], columns: Mapping[str, np.ndarray], threads: int
) -> dict[str, np.ndarray]:
  """What is known of these very files and columns already, by name."""
  digest = digest_of(columns)
  found = {name: PREDICTED_AHEAD.find(key(path.read_bytes(), digest, threads)) for name, path in files.items()}
  return {name: predictions for name, predictions in found.items() if predictions is not None}


def _batch(columns: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
  """As many examples as that; where there are fewer, they come again."""
  return {name: np.resize(column, (count, *column.shape[1:])) for name, column in columns.items()}


def _rounds(
  bench: Bench,
  measurement: Measurement,
  single: Mapping[str, np.ndarray],
  batch: Mapping[str, np.ndarray],
  batch_calls: Mapping[str, int],
) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
  """Microseconds of each call by round, of one example and of the batch.

  A round visits every file once, one after the other and nothing beside it; its order is drawn anew, so that no file
  always follows the same neighbour.
  """
  calls = measurement.calls

  def visit(name: str) -> tuple[np.ndarray, np.ndarray] | None:
    return bench.ask(name, lambda process: (process.time(single, calls), process.time(batch, batch_calls[name])))

  times: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {name: ([], []) for name in bench.names}
  generator = np.random.default_rng(0)
  for _ in range(measurement.rounds):
    for name in generator.permutation(bench.names).tolist():
      taken = visit(name)
      if taken is not None:
        for found, round_times in zip(times[name], taken, strict=True):
          found.append(round_times)
  return times


def _latency(rounds: list[np.ndarray]) -> Latency:
  p50, p99 = np.percentile(np.concatenate(rounds), [50, 99])
  medians = [float(np.median(calls)) for calls in rounds]
  return Latency(p50=float(p50), p99=float(p99), spread=(min(medians), max(medians)), whole_call=True)
