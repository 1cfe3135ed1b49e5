"""Where each run is noted besides in its own output directory: MLflow, OpenLineage."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

from pydantic import model_validator

from configs.base import Config, Idle, Problem, raise_any
from configs.platform import Url, Word


def _holds_a_password(address: object) -> bool:
  return isinstance(address, str) and '@' in urllib.parse.urlsplit(address).netloc


class Mlflow(Config):
  """A run of MLflow for each run of the pipeline; needs the extra `tracking`.

  Attributes:
    uri: of the tracking server, such as `https://mlflow.example.com`, or what else MLflow takes for one; nothing is
      logged while it is null. Who logs in, MLflow's own environment variables say (`MLFLOW_TRACKING_USERNAME`, …).
    experiment: what runs are listed under; the pipeline's name where it is null.
    registered_model: name of a registered model, of which each version that is pushed becomes a version; none is
      registered while it is null.
  """

  uri: Word | None = None
  experiment: str | None = None
  registered_model: str | None = None

  @model_validator(mode='before')
  @classmethod
  def _no_password(cls, values: Any) -> Any:
    """Refused unprinted, before pydantic quotes it: a config is shown and kept."""
    if isinstance(values, dict) and _holds_a_password(values.get('uri')):
      fix = 'set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.'
      raise_any([Problem('uri', f'must not hold a user or password, and is not shown; {fix}')])
    return values

  def problems(self) -> Iterator[Problem]:
    for name in ('experiment', 'registered_model'):
      if self.uri is None and getattr(self, name) is not None:
        yield Idle(name, 'has no effect while uri is null; name a tracking server there, or leave it out.', ('uri',))


class OpenLineage(Config):
  """Events of a run for a lineage server, such as Marquez.

  Attributes:
    url: that they are posted to, whole, such as `https://marquez.example.com/api/v1/lineage`; none are sent while it is
      null. A key comes from the environment variable `OPENLINEAGE_API_KEY`.
  """

  url: Url | None = None

  @model_validator(mode='before')
  @classmethod
  def _no_password(cls, values: Any) -> Any:
    if isinstance(values, dict) and _holds_a_password(values.get('url')):
      raise_any([Problem('url', 'must not hold a user or password, and is not shown; set OPENLINEAGE_API_KEY.')])
    return values


class Tracking(Config):
  """Where a run is noted after its end; that it can't be is said and costs nothing else."""

  mlflow: Mlflow = Mlflow()
  openlineage: OpenLineage = OpenLineage()
