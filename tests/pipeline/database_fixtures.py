"""Real database servers for tests; without Debian's packages the tests say so and are skipped.

`FARELITE_REQUIRE_SERVERS=1`, which `make test-stores` sets, turns the skip into a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.database_servers import PASSWORD, Server, ServerMissingError, server
from configs import loading
from configs.operations import PASSWORD_VARIABLE, Metadata

KINDS = ('postgresql', 'mysql')


@pytest.fixture(scope='module', params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Server]:
  """A server with an empty database; its password is in the environment."""
  patch = pytest.MonkeyPatch()
  patch.setenv(PASSWORD_VARIABLE, PASSWORD)
  try:
    with server(request.param, durable=False) as running:
      yield running
  except ServerMissingError as error:
    if os.environ.get('FARELITE_REQUIRE_SERVERS'):
      raise
    pytest.skip(f'{error} `apt-get install postgresql mariadb-server`')
  finally:
    patch.undo()


def metadata_of(running: Server, *overrides: str) -> Metadata:
  """The metadata section of a config that uses the server."""
  return loading.load('nyc', [*running.overrides(), *overrides]).metadata
