"""Prints what the model sees: every feature with its meaning and unit."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from configs.run import RunConfig
from pipeline import environment


def show(config: RunConfig) -> None:
  """Prints one table of numeric features and one of categorical ones."""
  environment.prepare()
  from components.feature_engineering.feature_list import catalogue, categoricals

  console = Console(highlight=False)
  numeric = Table(title=f'{config.name}: numeric features, in vector order', title_justify='left', box=None)
  for name in ('feature', 'block', 'unit', 'meaning'):
    numeric.add_column(name)
  for feature in catalogue(config.dataset, config.features):
    numeric.add_row(feature.name, feature.block, feature.unit, feature.meaning)
  console.print(numeric)
  embedded = categoricals(config.dataset, config.features)
  if not embedded:
    console.print('No categorical features; features.buckets and features.crosses are off.')
    return
  table = Table(title='categorical features, one embedding each', title_justify='left', box=None)
  for name in ('feature', 'values', 'width', 'meaning'):
    table.add_column(name)
  for category in embedded:
    table.add_row(category.name, f'{category.size:,}', str(category.embedding_width), category.meaning)
  console.print(table)
