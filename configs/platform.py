"""Where a run happens away from this machine: images, buckets, projects, clusters, BigQuery."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from configs.base import Config, Idle, Problem

PREFIX = 'FARELITE_'


def _bare(value: str) -> str:
  if not value or value != value.strip() or any(character.isspace() for character in value):
    raise ValueError(f"must be a name or an address without spaces, got '{value}'.")
  return value


def _web(value: str) -> str:
  if not re.match(r'https?://[^/:?#]', value, re.IGNORECASE):
    raise ValueError(f"must be a URL that begins with http:// or https://, got '{value}'.")
  return value


Word = Annotated[str, AfterValidator(_bare)]
Url = Annotated[Word, AfterValidator(_web)]


_ALIAS = re.compile('[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]')
_LABEL = re.compile('[a-z0-9_-]{0,63}')


class Registration(Config):
  """Vertex AI's Model Registry: each pushed version is uploaded as a version of one model.

  Attributes:
    display_name: of the model, which is made if there is none of this name; nothing is uploaded while it is null.
    container: image that serves a version, such as `europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest`.
    parent: full name of the model, `projects/…/models/…`, where several have that display name.
    default: whether a new version becomes the model's default one.
    aliases: names that move on to each new version.
    labels: of each version, besides those that say what it is.
    copies: a bucket's folder that versions are copied to first; needed where they are pushed to a folder of a machine.
  """

  display_name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
  container: Word | None = None
  parent: Word | None = None
  default: bool = True
  aliases: tuple[str, ...] = ()
  labels: dict[str, str] = {}
  copies: Word | None = None

  def problems(self) -> Iterator[Problem]:
    if self.display_name is None:
      for place in self.model_fields_set - {'display_name'}:
        if getattr(self, place) != type(self).model_fields[place].default:
          message = 'has no effect while display_name is null; name a model there, or leave it out.'
          yield Idle(place, message, ('display_name',))
    elif self.container is None:
      yield Problem('container', 'is missing; name the image that serves a version.')
    for alias in self.aliases:
      if alias == 'default' or not _ALIAS.fullmatch(alias):
        yield Problem(
          'aliases', f"must be letters, digits and hyphens, as in 'canary', and not 'default'; got '{alias}'."
        )
    for text in (*self.labels, *self.labels.values()):
      if not _LABEL.fullmatch(text):
        yield Problem('labels', f"must be lower-case letters, digits, hyphens and underscores, got '{text}'.")


class Vertex(Config):
  """Vertex AI Pipelines.

  Attributes:
    project: the Google Cloud project that the pipeline runs in; FARELITE_PROJECT where it is not set.
    region: such as `europe-west4`; FARELITE_REGION.
    service_account: e-mail of the account that the steps run as; FARELITE_SERVICE_ACCOUNT. The project's default where
      there is none.
    network: `projects/NUMBER/global/networks/NAME` to peer with; FARELITE_NETWORK.
    kms_key: full name of a key that encrypts what Vertex stores; FARELITE_KMS_KEY.
    endpoint: of the API where it is not the region's, such as a private one; FARELITE_VERTEX_ENDPOINT.
    registration: what a pushed version becomes in the Model Registry.
  """

  project: Word | None = None
  region: Word | None = None
  service_account: Word | None = None
  network: Word | None = None
  kms_key: Word | None = None
  endpoint: Word | None = None
  registration: Registration = Registration()


class Kfp(Config):
  """A cluster with Kubeflow Pipelines 2.

  Attributes:
    endpoint: URL of the API, such as `https://kfp.example.com`; FARELITE_KFP_ENDPOINT.
    namespace: of a multi-user installation; FARELITE_KFP_NAMESPACE.
    experiment: what runs are listed under; FARELITE_KFP_EXPERIMENT, or the pipeline's name.
    service_account: the Kubernetes account that the steps run as; FARELITE_KFP_SERVICE_ACCOUNT.
  """

  endpoint: Url | None = None
  namespace: Word | None = None
  experiment: str | None = None
  service_account: Word | None = None


class Platform(Config):
  """What the cloud targets need; a local run needs none of it.

  A token for a cluster is no setting: it is read from FARELITE_KFP_TOKEN when a run is submitted, and Google's
  credentials from where its clients look.

  Attributes:
    image: of every step, with the project's wheel inside; FARELITE_IMAGE.
    pipeline_root: a bucket's folder for artifacts; FARELITE_PIPELINE_ROOT.
    serving: a bucket's folder for pushed versions, FARELITE_SERVING; below the pipeline root, by the pipeline's name,
      where it is not set.
  """

  image: Word | None = None
  pipeline_root: Word | None = None
  serving: Word | None = None
  vertex: Vertex = Vertex()
  kfp: Kfp = Kfp()


VARIABLES = {
  **{f'{PREFIX}{name.upper()}': (name,) for name in ('image', 'pipeline_root', 'serving')},
  **{
    f'{PREFIX}{name.upper()}': ('vertex', name)
    for name in Vertex.model_fields
    if name not in ('endpoint', 'registration')
  },
  f'{PREFIX}VERTEX_ENDPOINT': ('vertex', 'endpoint'),
  **{f'{PREFIX}KFP_{name.upper()}': ('kfp', name) for name in Kfp.model_fields},
}
"""Where in a `Platform` the value of an environment variable goes."""


def with_environment(platform: Platform, environment: Mapping[str, str]) -> Platform:
  """The settings with what they leave open taken from environment variables.

  Args:
    platform: the config's; what it sets stays.
    environment: such as `os.environ`; empty values count as absent.
  Raises: pydantic.ValidationError: a variable's value can't be.
  """
  values = platform.model_dump()
  for variable, (*sections, key) in VARIABLES.items():
    section = values
    for name in sections:
      section = section[name]
    if section[key] is None and environment.get(variable):
      section[key] = environment[variable]
  return Platform.model_validate(values)


TABLE = r'^[a-z][a-z0-9.:-]*[a-z0-9]\.[A-Za-z0-9_]+\.[^.`\s]+$'
"""A project (with its domain, if any), a dataset and a table, joined by dots."""


class BigQuery(Config):
  """A query or a table; exactly one of them.

  Attributes:
    query: GoogleSQL; each row of its result is a ride.
    table: `project.dataset.table`, whole.
    temp_dataset: a dataset of the project that pays, where a query's result is kept while it is read; a new one,
      deleted afterwards, where it is null.
    version: names the state of the data, such as a date. The same version is served from the cache. Where it is null, a
      local run takes the time at which the table was last changed; the result of a query, and a table on a cluster, is
      then read again in every run.
  """

  query: Annotated[str, Field(min_length=1)] | None = None
  table: (
    Annotated[str, Field(pattern=TABLE, json_schema_extra={'form': 'three names, project.dataset.table'})] | None
  ) = None
  temp_dataset: (
    Annotated[str, Field(pattern=r'^[A-Za-z0-9_]+$', json_schema_extra={'form': 'letters, digits and _'})] | None
  ) = None
  version: Annotated[str, Field(min_length=1)] | None = None

  def problems(self) -> Iterator[Problem]:
    if (self.query is None) == (self.table is None):
      yield Problem('', 'needs a query or a table, and not both.')
