"""A file of rides, ingested into a folder."""

from __future__ import annotations

import pathlib

from components.ride_example_gen.ingestion import Outputs, ingest_file
from components.ride_example_gen.quarantine import RideCounts
from configs.dataset import Dataset
from configs.split import Split


def ingested(
  path: str, folder: pathlib.Path, dataset: Dataset, split: Split | None = None
) -> tuple[RideCounts, dict[str, list[str]]]:
  """Its rows, and the names of the files written into `folder`, by split and `quarantine`."""
  with Outputs(lambda name: (folder / name).open('wb')) as outputs:
    counts = ingest_file(path, dataset, split or Split(), outputs)
  return counts, outputs.names
