"""What `farelite serve` does: finds the version, and answers over HTTP until it is told to end."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import pathlib
import re
import socket
from typing import TYPE_CHECKING

import click

from configs.base import joined
from configs.errors import UserError
from models.whole_files import is_bucket
from pipeline.local import terminal

if TYPE_CHECKING:
  from pipeline.prediction.server import Routes

_PACKAGES = ('fastapi', 'uvicorn', 'prometheus_client')

_ROUTE_VARIABLES = {'predict': 'AIP_PREDICT_ROUTE', 'health': 'AIP_HEALTH_ROUTE'}
"""Vertex AI's variables by the routes that they name."""

_OWN = {'the description': '/openapi.json'}
"""What FastAPI serves by itself."""


def run(
  place: str,
  host: str | None = None,
  port: int | None = None,
  poll: float = 5.0,
  drain: float = 5.0,
  threads: int = 1,
  origins: tuple[str, ...] = (),
) -> None:
  """Serves; arguments as of the command line, and Vertex AI's `AIP_*` variables where they are left out."""
  if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
    raise UserError(f"farelite serve needs {joined(missing)}: pip install 'farelite[serve]'.")
  # `find_pushed`, which verifies the version, takes a lite file on its own, too; a server can't.
  if not is_bucket(place) and not pathlib.Path(place).exists():
    raise UserError(f"There is no '{place}'; name a pushed version, or the directory of the versions.")
  given = os.environ.get('AIP_HTTP_PORT', '')
  if given and not (re.fullmatch('[0-9]{1,5}', given) and 1 <= int(given) <= 65535):
    raise UserError(f"AIP_HTTP_PORT must be the number of a port, 1 to 65535, got '{given}'.")
  host = host or ('0.0.0.0' if given else '127.0.0.1')
  port = int(given or 8080) if port is None else port
  from pipeline.prediction import server
  from pipeline.prediction.served import ServedVersions

  routes = _routes(server.Routes())
  _check_port(host, port)
  # LiteRT logs in every process that it has a delegate.
  with terminal.captured():
    served = ServedVersions(place, threads + 1)
  fares = server.FareServer(served, routes, poll, threads, origins)
  what = 'the versions of' if served.follows else 'version'
  click.echo(f'Serving {what} {place} (now {served.current.name}) on http://{host}:{port}{routes.predict}.', err=True)
  for name, reason in served.refused.items():
    click.echo(f'Version {name} does not serve: {reason}', err=True)
  server.serve(fares, host, port, drain)
  click.echo('Ended; all that was asked is answered.', err=True)


def _routes(routes: Routes) -> Routes:
  """The routes, with those that the environment names; two of them may not be one, but health may be a probe's."""
  for field, variable in _ROUTE_VARIABLES.items():
    route = os.environ.get(variable)
    if not route:
      continue
    if not route.startswith('/') or set(route) & set('{}?#'):
      raise UserError(f"{variable} must begin with a slash and have none of {{}}?#, got '{route}'.")
    routes = dataclasses.replace(routes, **{field: route})
  for field, variable in _ROUTE_VARIABLES.items():
    route = getattr(routes, field)
    others = {name: path for name, path in (dataclasses.asdict(routes) | _OWN).items() if name != field}
    taken = [name for name, path in others.items() if path == route and {name, field} != {'health', 'ready'}]
    if taken and os.environ.get(variable):
      raise UserError(f"{variable} is '{route}', which is the route of {taken[0]} already; choose another one.")
  return routes


def _check_port(host: str, port: int) -> None:
  """Raises `UserError` where nobody can listen there; uvicorn would only log it."""
  try:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as found:
      found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      found.bind(address)
  except OSError as error:
    raise UserError(f'Nobody can listen on {host}:{port} ({error.strerror or error}); choose another --port.') from None
