"""Reads the rides that a study divides: those that pass the config's rules, or a sample of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from components.ride_example_gen.ingestion import judged_blocks
from configs.dataset import TIME, Dataset
from configs.errors import UserError


def read_kept(files: Sequence[str], dataset: Dataset) -> dict[str, np.ndarray]:
  """Canonical columns [rides] by name, the label included, of the rows that pass the dataset's rules.

  Raises:
    IngestionError: a file can't be read.
    UserError: not a single row passes.
  """
  judged = (canonical for file in files for _, canonical in judged_blocks(file, dataset))
  blocks = [canonical.rides.filter(canonical.valid) for canonical in judged]
  if not sum(block.num_rows for block in blocks):
    raise UserError(f'No valid ride in {", ".join(files)}; does --config fit the columns and rules of these rides?')
  return {
    name: np.concatenate([block.column(name).to_numpy(zero_copy_only=False) for block in blocks])
    for name in blocks[0].schema.names
  }


def sampled(rides: Mapping[str, np.ndarray], most: int, seed: int) -> dict[str, np.ndarray]:
  """All rides, or whole time stamps of them in random order until there are `most`; in their own order."""
  chosen = first_stamps(rides[TIME], most, seed)
  return {name: column[chosen] for name, column in rides.items()}


def first_stamps(seconds: np.ndarray, most: int, seed: int) -> np.ndarray:
  """Which rides belong to the first time stamps of a random order: bool [rides].

  Args:
    seconds: time stamps [rides].
    most: rides that there may be; all of them where there are no more. Fewer
      rides are always a part of more.
    seed: of the order.
  """
  if len(seconds) <= most:
    return np.ones(len(seconds), bool)
  _, position, counts = np.unique(seconds, return_inverse=True, return_counts=True)
  order = np.random.default_rng(seed).permutation(len(counts))
  taken = np.zeros(len(counts), bool)
  taken[order] = np.cumsum(counts[order]) <= most
  return taken[position]


def digest(rides: Mapping[str, np.ndarray]) -> str:
  """16 hexadecimal digits of every value, in order."""
  found = hashlib.sha256()
  for name, column in rides.items():
    found.update(name.encode() + np.ascontiguousarray(column).tobytes())
  return found.hexdigest()[:16]
