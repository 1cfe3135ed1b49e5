"""A server on this machine that answers as a cloud's API does and remembers what it was asked."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class Request(NamedTuple):
  """What a client sent.

  Attributes:
    method: GET, POST, …
    path: without the query.
    query: the first value of each name.
    body: parsed JSON, or the text; `None` where there was none.
    headers: by lower-case name.
  """

  method: str
  path: str
  query: dict[str, str]
  body: Any
  headers: dict[str, str]


Answer = Callable[[Request], tuple[int, Any]]


class Loopback:
  """The server; `url` is its address, `requests` what came."""

  def __init__(self, answers: dict[str, Answer]) -> None:
    self.requests: list[Request] = []
    self._answers = {re.compile(pattern): answer for pattern, answer in answers.items()}
    loopback = self

    class Handler(http.server.BaseHTTPRequestHandler):
      """Hands each request to the loopback."""

      def __getattr__(self, name: str) -> Any:
        if name.startswith('do_'):
          return self._serve
        raise AttributeError(name)

      def _serve(self) -> None:
        loopback._serve(self)

      def log_message(self, *arguments: Any) -> None:
        """Silent."""

    self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    self.url = f'http://127.0.0.1:{self._server.server_address[1]}'
    self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
    self._thread.start()

  def sent(self, method: str, pattern: str) -> list[Request]:
    """The requests of a method whose path matches."""
    return [request for request in self.requests if request.method == method and re.search(pattern, request.path)]

  def close(self) -> None:
    """Stops answering."""
    self._server.shutdown()
    self._server.server_close()

  def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
    url = urllib.parse.urlsplit(handler.path)
    raw = handler.rfile.read(int(handler.headers.get('content-length') or 0)).decode()
    try:
      body = json.loads(raw) if raw else None
    except ValueError:
      body = raw
    query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
    headers = {name.lower(): value for name, value in handler.headers.items()}
    request = Request(handler.command, url.path, query, body, headers)
    self.requests.append(request)
    status, content = self._answer(request)
    encoded = json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header('content-type', 'application/json')
    handler.send_header('content-length', str(len(encoded)))
    handler.end_headers()
    if request.method != 'HEAD':
      handler.wfile.write(encoded)

  def _answer(self, request: Request) -> tuple[int, Any]:
    for pattern, answer in self._answers.items():
      if pattern.fullmatch(f'{request.method} {request.path}'):
        return answer(request)
    return 404, {'error': {'code': 404, 'message': f'no {request.method} {request.path} here', 'status': 'NOT_FOUND'}}


@contextlib.contextmanager
def loopback(answers: dict[str, Answer]) -> Iterator[Loopback]:
  """A running server.

  Args:
    answers: by a regular expression of `METHOD /path`; status and JSON.
  """
  server = Loopback(answers)
  try:
    yield server
  finally:
    server.close()


def key_file(path: pathlib.Path, server: Loopback) -> pathlib.Path:
  """A service account's key as Google hands it out, whose tokens come from the server."""
  key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
  form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
  content = {
    'type': 'service_account',
    'project_id': 'another-project',
    'private_key_id': '1',
    'private_key': key.private_bytes(*form).decode(),
    'client_email': 'submitter@shop.iam.gserviceaccount.com',
    'client_id': '1',
    'token_uri': f'{server.url}/token',
  }
  path.write_text(json.dumps(content))
  return path
