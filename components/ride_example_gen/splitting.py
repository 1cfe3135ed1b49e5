"""Which rides are for evaluation. Apart from `spans`, which finds files and waits for no NumPy."""

from __future__ import annotations

import numpy as np

from configs.split import Split, SplitMethod


def in_eval(seconds: np.ndarray, split: Split, threshold: int | None = None) -> np.ndarray:
  """Which rides are for evaluation; rides of one time stamp always go together.

  Args:
    seconds: int64 [rows], `pickup_seconds`.
    threshold: the first time stamp of the eval split; `chronological` needs it, see `chronological_threshold`, and
      `newest_span` takes `spans.ALL` or `spans.NONE`, as the span of these rides is the newest or not.
  Returns: bool [rows].
  """
  if split.method is SplitMethod.HASH:
    return hash_of(seconds, split.seed) < np.uint64(int(split.eval_share * 2.0**64))
  if threshold is None:
    raise ValueError(f'a {split.method.value} split needs the threshold of all rides.')
  return seconds >= threshold


def hash_of(seconds: np.ndarray, seed: int) -> np.ndarray:
  """A well-mixed uint64 of each time stamp and the seed.

  Source: the finalizer of SplitMix64, G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators",
  OOPSLA 2014; once for the seed and once for the stamp, so that two seeds give unrelated splits.
  """
  mixed_seed = _mix(np.array([seed], np.uint64))
  return _mix(seconds.astype(np.int64).view(np.uint64) ^ mixed_seed)


def _mix(values: np.ndarray) -> np.ndarray:
  with np.errstate(over='ignore'):
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return values ^ (values >> np.uint64(31))


def chronological_threshold(seconds: np.ndarray, counts: np.ndarray, eval_share: float) -> int:
  """The first time stamp of the eval split, so that its share is as near as possible to `eval_share`.

  Args:
    seconds: int64 [stamps], distinct, ascending.
    counts: int64 [stamps], rides of each stamp.
  Returns: A time stamp; one past the last where the empty eval split is nearest, as with a single distinct stamp, and 0
    for no rides at all.
  """
  if not len(seconds):
    return 0
  newest_first = np.cumsum(counts[::-1])[::-1]
  sizes = np.append(newest_first, 0)
  stamps = np.append(seconds, seconds[-1] + 1)
  # Of two equally near, the larger eval split: argmin takes the first, and sizes fall.
  return int(stamps[np.argmin(np.abs(sizes - eval_share * newest_first[0]))])
