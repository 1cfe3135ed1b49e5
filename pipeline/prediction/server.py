"""Fares over HTTP: the contract of Vertex AI's custom containers, which KServe's first protocol and others share.

`POST` of `{"instances": […]}` gives `{"predictions": […]}`. Health, readiness, metrics and what serves have routes of
their own. Needs the extra `serve`; loads no TensorFlow.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

import prometheus_client
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware

from models.lite.interpreter import LiteFileError
from pipeline.prediction.served import INSTANCES, PREDICTIONS, RequestError, ServedVersions

VERSION_HEADER = 'x-farelite-version'
"""Names the version that a fare is from."""

LARGEST_BODY = 32 << 20
"""Bytes of a request: some 150,000 rides."""

_INLINE = 32 << 10
"""Bytes of a request up to which it is answered at once; larger ones go to a thread, so that the others don't wait."""

_JSON = 'application/json'


@dataclasses.dataclass(frozen=True)
class Routes:
  """Paths of a server.

  Attributes:
    predict: of fares.
    health: 200 where fares are given; what Vertex AI asks.
    ready: the same for Kubernetes, and 503 from the moment when the server is told to end.
    live: 200 as long as the process answers.
    metrics: for Prometheus.
    version: what serves, as JSON.
  """

  predict: str = '/predict'
  health: str = '/health'
  ready: str = '/readyz'
  live: str = '/livez'
  metrics: str = '/metrics'
  version: str = '/version'


class _Metrics:
  """What Prometheus gets of one server."""

  def __init__(self, served: ServedVersions) -> None:
    self.registry = registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.GCCollector(registry=registry)
    self.requests = prometheus_client.Counter(
      'farelite_requests', 'Requests for fares by HTTP status.', ['code'], registry=registry
    )
    self.rides = prometheus_client.Counter('farelite_rides', 'Rides that got a fare.', registry=registry)
    buckets = [second * 10**-exponent for exponent in (4, 3, 2, 1, 0) for second in (1, 2.5, 5)]
    self.seconds = prometheus_client.Histogram(
      'farelite_request_seconds', 'From the whole request to its answer.', buckets=buckets, registry=registry
    )
    self._gauge('farelite_version', 'Number of the version that serves.', lambda: _number(served.current.name))
    self._gauge('farelite_version_changes', 'Times that another version began to serve.', lambda: served.changes)
    self._gauge(
      'farelite_refused_versions', 'Newer versions that are not what was pushed.', lambda: len(served.refused)
    )

  def _gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
    prometheus_client.Gauge(name, meaning, registry=self.registry).set_function(value)


def _number(name: str) -> float:
  try:
    return float(name)
  except ValueError:  # A version that was copied to a folder of another name.
    return 0.0


class FareServer:
  """A server of fares; `app` is the ASGI application.

  Args:
    served: what answers.
    routes: its paths.
    poll: seconds between two looks for a newer version.
    threads: for large requests, at the same time.
    origins: of pages in a browser that may ask.
  """

  def __init__(
    self,
    served: ServedVersions,
    routes: Routes = Routes(),
    poll: float = 5.0,
    threads: int = 1,
    origins: tuple[str, ...] = (),
  ) -> None:
    self.draining = False
    self._served, self._poll = served, poll
    self._pool = concurrent.futures.ThreadPoolExecutor(threads, 'fares')
    self._looker = concurrent.futures.ThreadPoolExecutor(1, 'versions')
    self._metrics = _Metrics(served)
    # The documentation's pages would load scripts from elsewhere.
    self.app = FastAPI(title='Farelite', docs_url=None, redoc_url=None, lifespan=self._alive)
    body = {'content': {_JSON: {'schema': _SCHEMA}}, 'required': True}
    self.app.add_api_route(
      routes.predict, self._predict, methods=['POST'], openapi_extra={'requestBody': body}, summary='Fares of rides'
    )
    for path in dict.fromkeys((routes.health, routes.ready)):
      self.app.add_api_route(path, self._ready, methods=['GET'])
    self.app.add_api_route(routes.live, self._live, methods=['GET'])
    self.app.add_api_route(routes.metrics, self._scraped, methods=['GET'])
    self.app.add_api_route(routes.version, self._version, methods=['GET'])
    if origins:
      self.app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=['GET', 'POST'],
        allow_headers=['content-type'],
        expose_headers=[VERSION_HEADER],
      )

  @contextlib.asynccontextmanager
  async def _alive(self, app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(self._follow()) if self._served.follows else None
    try:
      yield
    finally:
      if task:
        task.cancel()
      self._pool.shutdown()
      self._looker.shutdown()

  async def _follow(self) -> None:
    loop = asyncio.get_running_loop()
    while True:
      await asyncio.sleep(self._poll)
      try:
        await loop.run_in_executor(self._looker, self._served.look)
      except Exception:  # Whatever is wrong with a version, the next one is looked for.
        logging.getLogger(__name__).exception('The versions could not be looked at; the one that serves goes on.')

  async def _predict(self, request: Request) -> Response:
    # Taken once: the version that a request begins with answers it.
    version = self._served.current
    body = await _body(request)
    start = time.perf_counter()
    if body is None:
      code, content = 413, _error(f'The body is longer than {LARGEST_BODY:,} bytes; send fewer rides at a time.')
    else:
      try:
        if len(body) <= _INLINE:
          fares = version.answer(body)
        else:
          fares = await asyncio.get_running_loop().run_in_executor(self._pool, version.answer, body)
        code, content = 200, json.dumps({PREDICTIONS: fares.tolist()}).encode()
        self._metrics.rides.inc(len(fares))
      except RequestError as error:
        code, content = 400, _error(str(error))
      except LiteFileError as error:
        code, content = 500, _error(str(error))
    self._metrics.requests.labels(code).inc()
    self._metrics.seconds.observe(time.perf_counter() - start)
    headers = {VERSION_HEADER: version.name}
    if self.draining:
      headers['connection'] = 'close'  # The next request goes to another replica.
    return Response(content, code, headers, _JSON)

  async def _ready(self) -> Response:
    return Response(b'{}', 503 if self.draining else 200, media_type=_JSON)

  async def _live(self) -> Response:
    return Response(b'{}', media_type=_JSON)

  async def _scraped(self) -> Response:
    content = prometheus_client.generate_latest(self._metrics.registry)
    return Response(content, media_type=prometheus_client.CONTENT_TYPE_LATEST)

  async def _version(self) -> dict[str, Any]:
    current = self._served.current
    known = current.manifest.to_dict()
    shown = ('dataset', 'variant', 'currency', 'created', 'inputs')
    return {
      'version': current.name,
      **{name: known.get(name) for name in shown},
      'rules': current.has_rules,
      'refused': self._served.refused,
    }


async def _body(request: Request) -> bytes | None:
  """The whole body; `None` where it is too long."""
  parts, size = [], 0
  async for part in request.stream():
    parts.append(part)
    size += len(part)
    if size > LARGEST_BODY:
      return None
  return parts[0] if len(parts) == 1 else b''.join(parts)


def _error(sentence: str) -> bytes:
  return json.dumps({'error': sentence}, ensure_ascii=False).encode()


_SCHEMA = {
  'type': 'object',
  'required': [INSTANCES],
  'properties': {INSTANCES: {'type': 'array', 'items': {'type': 'object'}}},
  'description': 'Each ride is an object of the columns that GET /version lists; null or absent is missing.',
}


class _Draining(uvicorn.Server):
  """Goes on to answer for some seconds after SIGTERM, while `ready` already says no."""

  def __init__(self, config: uvicorn.Config, server: FareServer, drain: float) -> None:
    super().__init__(config)
    self._farelite, self._drain = server, drain

  def handle_exit(self, sig: int, frame: FrameType | None) -> None:
    """Ctrl-C does not wait; SIGTERM again, as `timeout` sends it, changes nothing."""
    if sig == signal.SIGTERM and self._drain:
      if not self._farelite.draining:
        self._farelite.draining = True
        timer = threading.Timer(self._drain, super().handle_exit, (sig, frame))
        timer.daemon = True
        timer.start()
    else:
      super().handle_exit(sig, frame)


def serve(server: FareServer, host: str, port: int, drain: float) -> None:
  """Answers until SIGTERM or SIGINT; whatever request has begun gets its answer.

  Args: drain: seconds that the server goes on to take requests after SIGTERM, until nobody sends any more.

  Raises: OSError: the port is taken.
  """
  config = uvicorn.Config(server.app, host, port, log_level='warning', access_log=False, server_header=False)
  with contextlib.suppress(KeyboardInterrupt):  # uvicorn sends the signal again once all is answered.
    _Draining(config, server, drain).run()
