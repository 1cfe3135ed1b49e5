"""TFDV's statistics of a split without Beam: TFDV's own generators, batch by batch in the order of the files.

They equal those by Beam but for the last bits of means and deviations, which go by the order of the batches.
"""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tfx_bsl.coders import example_coder

from components.example_batches import read_batches
from components.ride_validator.divergence import Statistics


def statistics_of(files: Iterable[str]) -> Statistics:
  """As TFX's StatisticsGen measures a split that has neither a schema nor options.

  Args: files: of Examples; at least one record.
  """
  generators = stats_impl.get_generators(tfdv.StatsOptions(), in_memory=True)
  decoder = example_coder.ExamplesToRecordBatchDecoder()
  found = [generator.create_accumulator() for generator in generators]
  for batch in (batch for path in files for batch in read_batches(path, decoder)):
    found = [generator.add_input(one, batch) for generator, one in zip(generators, found, strict=True)]
  return stats_impl.extract_statistics_output(found, generators)
