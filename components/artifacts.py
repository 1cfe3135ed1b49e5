"""The artifact types of this project's own components."""

from __future__ import annotations

from tfx.types import artifact


class Quarantine(artifact.Artifact):
  """Rows that broke the dataset's rules, whole and with a reason, and the counts of all rows.

  Holds `counts.json` and, where any row was set aside, Parquet parts; see `components.ride_example_gen.quarantine`.
  """

  # Imported as this path by the compiler's targets: exactly one dot, and no PROPERTIES.
  TYPE_NAME = 'components.Quarantine'


class LiteVariants(artifact.Artifact):
  """The lite files of one run, `<recipe>.<scheme>.tflite`, and `variants.json`, with the facts of each."""

  TYPE_NAME = 'components.LiteVariants'


class CompressionReport(artifact.Artifact):
  """The verdict on every variant, and why: see `components.compression_gate.report`."""

  TYPE_NAME = 'components.CompressionReport'


class ReductionReport(artifact.Artifact):
  """A fitted reduction: its arrays and findings (see `models.reduction.fitted`) and pictures."""

  TYPE_NAME = 'components.ReductionReport'
