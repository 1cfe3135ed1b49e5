"""Which other systems a run is noted in, by its config."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from configs.run import RunConfig
from pipeline.local.output import OutputDirectory
from pipeline.summary_record import Summary
from pipeline.tracking import mlflow, openlineage


def trackers(
  config: RunConfig, output: OutputDirectory, summary: Summary
) -> Iterator[tuple[str, Callable[[], object]]]:
  """Each system that the config names; an error of one is no matter of the others.

  Args: summary: of a run that ended, in whatever way; what it made is still in the output directory.
  """
  if config.tracking.mlflow.uri is not None:
    yield 'MLflow', lambda: mlflow.log(config, output, summary)
  if config.tracking.openlineage.url is not None:
    yield 'OpenLineage', lambda: openlineage.send(config, summary)
