"""What `farelite serve` does: finds the version, and answers over HTTP until it is told to end."""

from __future__ import annotations

import importlib.util
import os
import socket

import click

from configs.base import joined
from configs.errors import UserError
from pipeline.local import terminal

_PACKAGES = ('fastapi', 'uvicorn', 'prometheus_client')


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
  given = os.environ.get('AIP_HTTP_PORT', '')
  if given and not given.isdecimal():
    raise UserError(f"AIP_HTTP_PORT must be the number of a port, got '{given}'.")
  host = host or ('0.0.0.0' if given else '127.0.0.1')
  port = int(given or 8080) if port is None else port
  from pipeline.prediction import server
  from pipeline.prediction.served import ServedVersions

  routes = server.Routes()
  routes = server.Routes(
    predict=_route('AIP_PREDICT_ROUTE', routes.predict), health=_route('AIP_HEALTH_ROUTE', routes.health)
  )
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


def _route(variable: str, default: str) -> str:
  route = os.environ.get(variable) or default
  if not route.startswith('/'):
    raise UserError(f"{variable} must begin with a slash, got '{route}'.")
  return route


def _check_port(host: str, port: int) -> None:
  """Raises `UserError` where nobody can listen there; uvicorn would only log it."""
  try:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as found:
      found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      found.bind(address)
  except OSError as error:
    raise UserError(f'Nobody can listen on {host}:{port} ({error.strerror or error}); choose another --port.') from None
