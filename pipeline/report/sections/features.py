"""What the model sees: every feature with its meaning and unit."""

from __future__ import annotations

import dataclasses

from configs import loading
from pipeline import environment
from pipeline.report.record import RunRecord
from pipeline.report.tables import Cell, Heading, Row, Table, figure
from pipeline.report.wording import counted


@dataclasses.dataclass(frozen=True)
class FeaturesSection:
  """The features: a sentence, the numeric ones, and those that are embedded."""

  told: str
  numeric: Table
  categorical: Table | None


def features_section(record: RunRecord) -> FeaturesSection | None:
  """The section, or `None` where the config is lost.

  Raises:
    ConfigError: the config is that of another version of this project.
  """
  if not record.config:
    return None
  config = loading.validate(record.config)
  environment.prepare()
  # Brings TensorFlow along, which nothing else of the page needs.
  from components.feature_engineering.feature_list import catalogue, categoricals

  numeric = [
    Row((Cell(feature.name), Cell(feature.meaning), Cell(feature.unit), Cell(feature.block)))
    for feature in catalogue(config.dataset, config.features)
  ]
  embedded = [
    Row(
      (
        Cell(found.name),
        Cell(found.meaning),
        figure(found.size, f'{found.size:,}'),
        figure(found.embedding_width, str(found.embedding_width)),
      )
    )
    for found in categoricals(config.dataset, config.features)
  ]
  told = (
    f'The model sees {counted(len(numeric), "number")}, standardized, and {len(embedded) or "no"} embedded categories.'
  )
  if config.reduction.is_on:
    told = f'There are {counted(len(numeric), "number")} and {len(embedded) or "no"} categories before the reduction.'
  return FeaturesSection(
    told=f'{told} All of it is computed from the raw ride inside the served file.',
    numeric=Table('Numeric features, in the order of the vector', _NUMERIC, tuple(numeric)),
    categorical=Table('Categories, one embedding each', _CATEGORICAL, tuple(embedded)) if embedded else None,
  )


_NUMERIC = tuple(Heading(name, numeric=False) for name in ('feature', 'meaning', 'unit', 'block'))
_CATEGORICAL = (
  *(Heading(name, numeric=False) for name in ('category', 'meaning')),
  Heading('values'),
  Heading('width of embedding'),
)
