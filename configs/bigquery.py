"""BigQuery as the source of rides."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from configs.base import Config

TABLE = r'^[a-z][a-z0-9.:-]*[a-z0-9]\.[A-Za-z0-9_]+\.[^.`\s]+$'
"""A project (with its domain, if any), a dataset and a table, joined by dots."""


class BigQuery(Config):
  """A query or a table; exactly one of them.

  Attributes:
    query: GoogleSQL; each row of its result is a ride.
    table: `project.dataset.table`, whole.
    temp_dataset: a dataset of the project that pays, where a query's result is
      kept while it is read; a new one, deleted afterwards, where it is null.
    version: names the state of the data, such as a date. The same version is
      served from the cache. Where it is null, a local run takes the time at
      which the table was last changed; the result of a query, and a table on a
      cluster, is then read again in every run.
  """

  query: Annotated[str, Field(min_length=1)] | None = None
  table: Annotated[str, Field(pattern=TABLE)] | None = None
  temp_dataset: Annotated[str, Field(pattern=r'^[A-Za-z0-9_]+$')] | None = None
  version: Annotated[str, Field(min_length=1)] | None = None

  @model_validator(mode='after')
  def _one_of_them(self) -> BigQuery:
    if (self.query is None) == (self.table is None):
      raise ValueError('needs a query or a table, and not both.')
    return self
