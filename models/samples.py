"""A random sample of records that come in batches, in memory that the sample's size alone decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class RecordSample:
  """Draws at most `most` of the records that come, without knowing how many will.

  Each record has a random key, and those of the smallest keys are kept; so a sample of all records is all of them, and
  the same records in the same order give the same sample, whatever the batches. For each batch `draw` says which rows
  to bring, and `add` takes their columns.

  Args:
    most: records that are kept; at least one.
    seed: of the keys.
    highest: so many records of the highest labels are kept whatever their keys, as part of `most`.

  Attributes: read: records that came.
  """

  def __init__(self, most: int, seed: int, highest: int = 0) -> None:
    self.read = 0
    self._most, self._highest = most, min(highest, most)
    self._generator = np.random.default_rng(seed)
    self._columns: dict[str, list[np.ndarray]] = {}
    self._keys, self._labels = [np.zeros(0)], [np.zeros(0)]
    self._waiting = 0
    self._largest_key, self._lowest_label = np.inf, -np.inf
    self._drawn = np.zeros(0), np.zeros(0)

  @property
  def by_labels(self) -> bool:
    """Whether `draw` needs labels."""
    return self._highest > 0

  def draw(self, count: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Which rows of the next batch may be in the sample: rising int64 [rows].

    Args:
      count: records of the batch.
      labels: numbers [count]; needed where `highest` ones are kept.
    """
    keys = self._generator.random(count)
    wanted = keys < self._largest_key
    if labels is None:
      labels = np.zeros(count)
    elif self._highest:
      wanted |= labels > self._lowest_label
    rows = np.flatnonzero(wanted)
    self._drawn = keys[rows], np.asarray(labels, np.float64)[rows]
    self.read += count
    return rows

  def add(self, columns: Mapping[str, np.ndarray]) -> None:
    """Takes the rows that `draw` named, by column: [rows, ...] each, of the same columns every time."""
    for parts, drawn in ((self._keys, self._drawn[0]), (self._labels, self._drawn[1])):
      parts.append(drawn)
    for name, column in columns.items():
      self._columns.setdefault(name, []).append(column)
    self._waiting += len(self._drawn[0])
    # Twice the sample, so that sorting out costs little for each record.
    if self._waiting > 2 * self._most:
      self._sort_out()

  def columns(self) -> dict[str, np.ndarray]:
    """The sample by column, in the order of the records; nothing where none came."""
    self._sort_out()
    return {name: parts[0] for name, parts in self._columns.items()} if self.read else {}

  def _sort_out(self) -> None:
    """Leaves the sample of what came so far."""
    keys, labels = np.concatenate(self._keys), np.concatenate(self._labels)
    kept: slice | np.ndarray = slice(None)
    if len(keys) > self._most:
      ranked = np.argsort(-labels, kind='stable')[: self._highest] if self._highest else np.zeros(0, np.int64)
      others = np.delete(np.arange(len(keys)), ranked) if len(ranked) else np.arange(len(keys))
      rest = self._most - len(ranked)
      smallest = others[np.argpartition(keys[others], rest)[:rest]] if rest else others[:0]
      kept = np.sort(np.concatenate([ranked, smallest]))
      self._largest_key = keys[smallest].max() if rest else -np.inf
      self._lowest_label = labels[ranked].min() if len(ranked) else np.inf
    self._keys, self._labels = [keys[kept]], [labels[kept]]
    # One column after the other, so that no more than one of them is there twice.
    for name, parts in self._columns.items():
      self._columns[name] = [np.concatenate(parts)[kept]]
    self._waiting = len(self._keys[0])
