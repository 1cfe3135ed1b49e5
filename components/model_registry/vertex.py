"""Vertex AI's Model Registry by its REST API, version 1: which model there is, an upload, and its end.

Not by Google's client: over REST, which passes proxies, that asks for the end of an upload under a path that the API's
documentation does not have.
"""

from __future__ import annotations

import re
import time
from typing import Any

import google.auth
import google.auth.exceptions
import requests
from google.auth.transport.requests import AuthorizedSession

from configs.amounts import amount
from configs.errors import FailedError
from configs.platform import Registration, Vertex
from models.release import Manifest

_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
_TIMEOUT = 60
_PATIENCE = 600.0
"""Seconds that an upload may take, which copies the version."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
_NOT_IN_A_LABEL = re.compile('[^a-z0-9_-]')
_LONGEST_LABEL = 63


def upload(
  vertex: Vertex, registration: Registration, place: str, version: str, manifest: Manifest, credentials: Any = None
) -> str:
  """Uploads a version and waits until it is there.

  Args:
    vertex: project and region, and the API's endpoint where it is not the region's.
    registration: what it is called, and what serves it.
    place: of its files, in a bucket.
    version: its number.
    manifest: its own.
    credentials: of google-auth; those that Google's clients find where it is left out.
  Returns: `projects/…/locations/…/models/…@VERSION`.
  Raises: FailedError: something is missing, or Vertex AI refused it, or can't be reached.
  """
  for value, name in ((vertex.project, 'project'), (vertex.region, 'region')):
    if value is None:
      raise FailedError(f'No {name} for Vertex AI: set platform.vertex.{name} or FARELITE_{name.upper()}.')
  try:
    session = AuthorizedSession(credentials or google.auth.default(scopes=[_SCOPE])[0])
    api = _Api(session, vertex)
    parent = registration.parent or _model_called(api, registration.display_name or '')
    body = {
      'model': _model(vertex, registration, place, version, manifest),
      **({'parentModel': parent} if parent else {}),
    }
    uploaded = _ended(api, api.ask('POST', f'{api.location}/models:upload', json=body))
  except google.auth.exceptions.DefaultCredentialsError:
    raise FailedError(
      "No credentials for Google Cloud: run 'gcloud auth application-default login', or name a key file in "
      'GOOGLE_APPLICATION_CREDENTIALS.'
    ) from None
  except (google.auth.exceptions.GoogleAuthError, requests.RequestException) as error:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise FailedError(f"Vertex AI can't be reached: {reason.rstrip('.')}.") from error
  return f'{uploaded["model"]}@{uploaded["modelVersionId"]}'


class _Api:
  """The API of a region."""

  def __init__(self, session: AuthorizedSession, vertex: Vertex) -> None:
    endpoint = vertex.endpoint or f'{vertex.region}-aiplatform.googleapis.com'
    self._url = (endpoint if endpoint.startswith(('http:', 'https:')) else f'https://{endpoint}').rstrip('/')
    self._session = session
    self.location = f'projects/{vertex.project}/locations/{vertex.region}'

  def ask(self, method: str, name: str, **content: Any) -> dict[str, Any]:
    """An answer; raises `FailedError` with Vertex AI's own words where it refuses."""
    answer = self._session.request(method, f'{self._url}/v1/{name}', timeout=_TIMEOUT, **content)
    try:
      found = answer.json()
    except ValueError:
      found = {}
    if answer.ok and isinstance(found, dict):
      return found
    raise _refused(found.get('error') if isinstance(found, dict) else None, f'{answer.status_code} {answer.reason}')


def _refused(error: Any, otherwise: str = '') -> FailedError:
  said = error.get('message') if isinstance(error, dict) else None
  return FailedError(f'Vertex AI refused it: {(said or otherwise).rstrip(".")}.')


def _ended(api: _Api, operation: dict[str, Any]) -> dict[str, Any]:
  """What an operation came to; asks for it until it has ended."""
  end, wait = time.monotonic() + _PATIENCE, _FIRST_WAIT
  while not operation.get('done'):
    if time.monotonic() > end:
      raise FailedError(f'The upload has not ended within {_PATIENCE:.0f} s: {operation.get("name")}.')
    time.sleep(wait)
    wait = min(2 * wait, _LONGEST_WAIT)
    operation = api.ask('GET', operation['name'])
  if 'error' in operation:
    raise _refused(operation['error'])
  response: dict[str, Any] = operation['response']
  return response


def _model_called(api: _Api, name: str) -> str | None:
  """Full name of the model of a display name; `None` where there is none yet."""
  listed = api.ask('GET', f'{api.location}/models', params={'filter': f'display_name="{name}"'})
  found = [model['name'].partition('@')[0] for model in listed.get('models', ())]
  if len(found) > 1:
    models = ', '.join(sorted(found))
    raise FailedError(
      f"{len(found)} models are called '{name}' there: {models}; name one in platform.vertex.registration.parent."
    )
  return found[0] if found else None


def _model(vertex: Vertex, registration: Registration, place: str, version: str, manifest: Manifest) -> dict[str, Any]:
  """The version as Vertex AI has it; what it was made of stands in its labels."""
  facts = {
    'farelite_version': version,
    'variant': manifest.variant or f'{manifest.recipe}.{manifest.scheme}',
    'dataset': manifest.dataset,
    'code_version': manifest.code_version,
  }
  labels = {name: _NOT_IN_A_LABEL.sub('_', value.lower())[:_LONGEST_LABEL] for name, value in facts.items()}
  return {
    'displayName': registration.display_name,
    'artifactUri': place,
    'containerSpec': {'imageUri': registration.container},
    # The first version is the default one by itself; of a later one its aliases say whether it is.
    'versionAliases': [*registration.aliases, f'farelite-{version}', *(['default'] if registration.default else [])],
    'versionDescription': _description(manifest),
    'labels': labels | dict(registration.labels),
    **({'encryptionSpec': {'kmsKeyName': vertex.kms_key}} if vertex.kms_key else {}),
  }


def _description(manifest: Manifest) -> str:
  metrics = manifest.metrics
  figures = f', RMSE {amount(metrics.rmse.value, manifest.currency or "", 3)}' if metrics.rmse else ''
  size = f', {metrics.bytes:,} bytes' if metrics.bytes else ''
  return f'{manifest.variant or manifest.recipe} on {manifest.dataset}{figures}{size}'
