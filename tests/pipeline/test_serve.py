"""`farelite serve`: the lite file's own fares, a sentence for what is wrong, and no request lost as versions change."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
import uvicorn

from components.pusher.publishing import publish, staging
from components.ride_example_gen.canonical import canonicalize
from configs.dataset import COORDINATES, PASSENGERS, TIME
from configs.errors import UserError
from configs.loading import load
from models.lite.client import LiteModel
from models.release import Manifest, ManifestError, check_golden, find_pushed, write_manifest
from models.served_versions import next_version, served_version
from pipeline.commands import serve as commands_serve
from pipeline.prediction.served import RequestError, RideReader, ServedVersions
from pipeline.prediction.server import LARGEST_BODY, VERSION_HEADER, FareServer
from tests.conftest import REPOSITORY
from tests.models.lite.small_files import facts, preset_lite_file, some_rides, write_version
from tests.pipeline.ride_files import COLUMNS, source_rows

RIDE = {TIME: 190_000_000, 'pickup_longitude': -73.98, 'pickup_latitude': 40.75}


@pytest.fixture(scope='module')
def version(tmp_path_factory):
  """A pushed version to copy."""
  return write_version(tmp_path_factory.mktemp('pushed') / '3')


@pytest.fixture
def serving_folder(version, tmp_path):
  """A push destination with one version."""
  shutil.copytree(version, tmp_path / 'serving' / '3')
  return tmp_path / 'serving'


def push(base):
  """Another version of the same files, as the Pusher publishes one."""
  with staging(str(base)) as folder:
    staged = f'{folder}/version'
    shutil.copytree(base / str(served_version(base)), staged)
    return publish(staged, str(base), next_version(base, 0)).rpartition('/')[2]


def instances(rides):
  """A request's rides; a missing value in turn as null and as no key."""
  rows = [{name: column[row].item() for name, column in rides.items()} for row in range(len(rides[TIME]))]
  for place, row in enumerate(rows):
    for name in [name for name, value in row.items() if value != value]:
      if place % 2:
        row[name] = None
      else:
        del row[name]
  return rows


def body(*rows):
  return json.dumps({'instances': rows}).encode()


@contextlib.contextmanager
def answering(place, **settings):
  """A server in this process; a connection to it."""
  found = FareServer(ServedVersions(str(place), 2), poll=0.05, **settings)
  server = uvicorn.Server(uvicorn.Config(found.app, port=0, log_level='error'))
  with socket.create_server(('127.0.0.1', 0)) as listening:
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    connection = http.client.HTTPConnection(*listening.getsockname(), timeout=60)
    try:
      yield connection
    finally:
      connection.close()
      server.should_exit = True
      thread.join(60)


def ask(connection, path='/predict', content=None, method=None, **headers):
  """Status, headers by name, and content of an answer."""
  connection.request(method or ('GET' if content is None else 'POST'), path, content, headers)
  answer = connection.getresponse()
  return answer.status, dict(answer.getheaders()), answer.read()


@pytest.mark.lanes
def test_fares_are_those_of_the_client(serving_folder):
  """Oracle: `LiteModel` on the same columns, at once and in a request that is long enough for a thread."""
  rides = some_rides(load('nyc'), 3000)
  assert np.isnan(rides['dropoff_latitude']).any()
  with answering(serving_folder) as connection:
    for count in (1, 5, 3000):
      status, headers, content = ask(connection, content=body(*instances({n: c[:count] for n, c in rides.items()})))
      assert (status, headers[VERSION_HEADER], headers['content-type']) == (200, '3', 'application/json')
      assert list(json.loads(content)) == ['predictions']
      found = np.array(json.loads(content)['predictions'], np.float32)
      expected = LiteModel(preset_lite_file()).predict({name: column[:count] for name, column in rides.items()})
      np.testing.assert_array_equal(found, expected)
    assert ask(connection, content=body())[::2] == (200, b'{"predictions": []}')


MISTAKES = [
  pytest.param(b'', 'The body is no JSON: ', id='empty'),
  pytest.param(b'{"instances": [', 'The body is no JSON: ', id='cut_off'),
  pytest.param(b'\xff\xfe', 'The body is no JSON: ', id='bytes'),
  pytest.param(b'[' * 100_000, 'The body is no JSON: ', id='nested'),
  pytest.param(b'{"instances": [{"pickup_seconds": NaN}]}', 'The body is no JSON: NaN is no number there', id='nan'),
  pytest.param(b'[]', "The body must be an object with 'instances', a list of rides.", id='list'),
  pytest.param(b'{"instances": {}}', "The body must be an object with 'instances', a list of rides.", id='one_ride'),
  pytest.param(b'{"instances": [], "signature": "a"}', "The body has 'signature', which has no effect", id='key'),
  pytest.param(b'{"instances": [], "parameters": {"a": 1}}', "The body has 'parameters', which", id='parameters'),
  pytest.param(body(RIDE, 3), "Instance 1 is 3, not an object with a ride's columns.", id='number'),
  pytest.param(body(RIDE, RIDE | {'pickup_lattitude': 40}), "Instance 1 has \"pickup_lattitude\", which is no column "
               "of a ride; did you mean 'pickup_latitude'?", id='misspelled'),
  pytest.param(body({}), "Instance 0 has no 'pickup_seconds', which every ride needs: pickup, counted from 2009-01-01",
               id='no_time'),
  pytest.param(body(RIDE | {TIME: None}), "Instance 0 has no 'pickup_seconds'", id='null_time'),
  pytest.param(body(RIDE | {TIME: 1.5}), "Instance 0 has 1.5 as 'pickup_seconds', which is no whole number", id='half'),
  pytest.param(b'{"instances": [{"pickup_seconds": 1e999}]}', "Instance 0 has Infinity as 'pickup_seconds'",
               id='infinite_time'),
  pytest.param(body(RIDE | {TIME: 10**400}), "Instance 0 has 1000", id='huge_time'),
  pytest.param(b'{"instances": [{"pickup_seconds": ' + b'7' * 5000 + b'}]}',
               'The body is no JSON: a whole number in it has thousands of digits.', id='digits'),
  pytest.param(body(RIDE | {TIME: '2015-01-27'}), "Instance 0 has \"2015-01-27\" as 'pickup_seconds', which is no num",
               id='text_time'),
  pytest.param(body(RIDE, RIDE | {'pickup_latitude': 95}),
               "Instance 1 has 95 as 'pickup_latitude', which lies outside of 40 to 42.", id='outside'),
  pytest.param(body(RIDE | {PASSENGERS: True}), "Instance 0 has true as 'passenger_count', which is no number or null.",
               id='yes'),
  pytest.param(body(RIDE | {'dropoff_longitude': -10**400}), "Instance 0 has -1000", id='huge'),
]  # fmt: skip


@pytest.fixture(scope='module')
def connection(version):
  """To a server of one version."""
  with answering(version) as found:
    yield found


@pytest.mark.parametrize(('content', 'message'), MISTAKES)
def test_a_mistake_is_one_sentence(connection, content, message):
  status, _, answer = ask(connection, content=content)
  assert status == 400
  assert json.loads(answer)['error'].startswith(message)
  assert len(answer) < 300


def test_a_body_is_not_too_long(connection):
  status, _, answer = ask(connection, content=b' ' * (LARGEST_BODY + 1))
  assert (status, json.loads(answer)['error'][:27]) == (413, 'The body is longer than 33,')
  connection.close()
  assert ask(connection, content=body(RIDE))[0] == 200


def test_rides_are_refused_that_predict_leaves_without_a_fare():
  """Oracle: the rules that judge rows of a file, on rides in and about the city and its years."""
  dataset, generator = load('nyc').dataset, np.random.default_rng(5)
  rules = dataset.rules
  rides = {TIME: generator.integers(-(2**26), 2**31 - 1, 400).astype(np.int32)}
  for name in (*COORDINATES, PASSENGERS):
    interval = rules.interval(name)
    room = 0.1 * (interval.max - interval.min)
    values = generator.uniform(interval.min - room, interval.max + room, 400)
    rides[name] = np.where(generator.random(400) < 0.1, np.nan, values).astype(np.float32)
  rows = source_rows(rides)
  columns = [pa.array([row[place] for row in rows]) for place in range(len(COLUMNS))]
  table = pa.RecordBatch.from_arrays(columns, list(COLUMNS))
  valid = canonicalize(table, dataset, label_required=False).valid
  assert 20 < valid.sum() < 380
  reader = RideReader(dict.fromkeys(dataset.raw_inputs(), ''), dataset)
  for row, expected in zip(instances(rides), valid, strict=True):
    if expected:
      reader.columns(body(row))
    else:
      with pytest.raises(RequestError, match=r'Instance 0 has .* lies outside'):
        reader.columns(body(row))


def test_routes(connection):
  for path in ('/health', '/readyz', '/livez'):
    assert ask(connection, path)[0] == 200
  assert ask(connection, '/predict')[0] == 405
  assert ask(connection, '/elsewhere')[0] == 404
  known = json.loads(ask(connection, '/version')[2])
  assert (known['version'], known['dataset'], known['rules'], known['refused']) == ('3', 'nyc', True, {})
  assert [column['name'] for column in known['inputs']] == list(load('nyc').dataset.raw_inputs())
  assert json.loads(ask(connection, '/openapi.json')[2])['paths']['/predict']['post']['requestBody']['required']


def test_a_page_may_ask_where_it_was_allowed(version, connection):
  assert 'access-control-allow-origin' not in ask(connection, content=body(RIDE), Origin='null')[1]
  with answering(version, origins=('null',)) as allowed:
    assert ask(allowed, content=body(RIDE), Origin='null')[1]['access-control-allow-origin'] == 'null'
    asked = {'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type'}
    assert ask(allowed, method='OPTIONS', Origin='null', **asked)[0] == 200


def metrics(connection):
  """By name and labels."""
  lines = ask(connection, '/metrics')[2].decode().splitlines()
  return {name: float(value) for name, _, value in (line.rpartition(' ') for line in lines if line[0] != '#')}


def test_metrics_count_what_was_asked(serving_folder):
  with answering(serving_folder) as connection:
    for content in (body(RIDE, RIDE), body(RIDE), b'x'):
      ask(connection, content=content)
    found = metrics(connection)
    wanted = {'farelite_requests_total{code="200"}': 2, 'farelite_requests_total{code="400"}': 1}
    wanted |= {'farelite_rides_total': 3, 'farelite_request_seconds_count': 3, 'farelite_version': 3}
    assert {name: found[name] for name in wanted} == wanted


def flip(path):
  content = bytearray(path.read_bytes())
  content[-20] ^= 1
  path.write_bytes(content)


def test_the_newest_sound_version_serves(serving_folder):
  served = ServedVersions(str(serving_folder), 1)
  assert (served.current.name, served.look()) == ('3', False)
  before = served.current
  assert push(serving_folder) == '4' and served.look()
  assert (served.current.name, served.changes, served.refused) == ('4', 1, {})
  # What began with a version ends with it, though its folder is gone.
  shutil.rmtree(serving_folder / '3')
  np.testing.assert_array_equal(before.answer(body(RIDE)), served.current.answer(body(RIDE)))
  # A half-copied version is none; an altered one is passed over, and said so.
  (serving_folder / '6' / 'assets.extra').mkdir(parents=True)
  push(serving_folder)
  flip(serving_folder / '7' / 'model.tflite')
  assert not served.look()
  assert served.current.name == '4'
  assert "'model.tflite' in" in served.refused['7'] and 'was altered' in served.refused['7']
  # Mended, it serves; taken away, the one before does.
  flip(serving_folder / '7' / 'model.tflite')
  assert served.look() and (served.current.name, served.refused) == ('7', {})
  shutil.rmtree(serving_folder / '7')
  assert served.look() and served.current.name == '4'
  # Without any, the last one goes on.
  shutil.rmtree(serving_folder)
  assert not served.look()
  assert len(served.current.answer(body(RIDE))) == 1


def test_a_version_with_wrong_golden_fares_does_not_serve(serving_folder):
  """A manifest that fits does not help."""
  push(serving_folder)
  golden = serving_folder / '4' / 'assets.extra' / 'golden_rides.json'
  content = json.loads(golden.read_text())
  content['fare_amount'][0] += 1
  golden.write_text(json.dumps(content))
  write_manifest(serving_folder / '4', Manifest(**facts(load('nyc'))))
  served = ServedVersions(str(serving_folder), 1)
  assert served.current.name == '3'
  assert 'golden rides of' in served.refused['4']


def test_it_goes_on_to_look_whatever_fails(serving_folder, monkeypatch):
  looks, look = [], ServedVersions.look

  def fails_once(served):
    looks.append(None)
    if len(looks) == 1:
      raise RuntimeError('a fault')
    return look(served)

  monkeypatch.setattr(ServedVersions, 'look', fails_once)
  with answering(serving_folder) as connection:
    newest = push(serving_folder)
    deadline = time.monotonic() + 60
    while ask(connection, content=body(RIDE))[1][VERSION_HEADER] != newest and time.monotonic() < deadline:
      time.sleep(0.02)
    assert len(looks) > 1 and metrics(connection)['farelite_version'] == 4


def test_a_version_that_is_named_stays(serving_folder):
  served = ServedVersions(str(serving_folder / '3'), 1)
  push(serving_folder)
  assert not served.follows and served.current.name == '3'


def test_a_version_of_an_earlier_push_serves(version, tmp_path):
  """Its lite file lies beside the manifest."""
  old = shutil.copytree(version, tmp_path / '3')
  shutil.move(old / 'model.tflite', old / 'assets.extra' / 'model.tflite')
  write_manifest(old, Manifest(**facts(load('nyc'))))
  assert find_pushed(old).file == old / 'assets.extra' / 'model.tflite'
  check_golden(old)
  assert len(ServedVersions(str(old), 1).current.answer(body(RIDE))) == 1


def test_nothing_is_lost_while_versions_change(serving_folder):
  """Every request is answered, by versions that only rise, and the newest one is taken up."""
  stop = threading.Event()

  def hammer(address):
    connection = http.client.HTTPConnection(*address, timeout=60)
    found = []
    while not stop.is_set():
      status, headers, content = ask(connection, content=body(RIDE))
      assert status == 200 and len(json.loads(content)['predictions']) == 1
      found.append(int(headers[VERSION_HEADER]))
    connection.close()
    return found

  with answering(serving_folder) as connection, concurrent.futures.ThreadPoolExecutor(4) as pool:
    waiting = [pool.submit(hammer, (connection.host, connection.port)) for _ in range(4)]
    try:
      for _ in range(20):
        newest = push(serving_folder)
        deadline = time.monotonic() + 60
        while ask(connection, content=body(RIDE))[1][VERSION_HEADER] != newest and time.monotonic() < deadline:
          time.sleep(0.01)
    finally:
      stop.set()
    found = [future.result() for future in waiting]
    assert metrics(connection)['farelite_version_changes'] == 20
  assert newest == '23'
  for versions in found:
    assert versions == sorted(versions)
  assert {*itertools.chain(*found)} >= {3, 23} or max(map(len, found)) > 20


def command(*arguments, **environment):
  """Runs the command as a user does."""
  return subprocess.Popen(
    [sys.executable, '-m', 'pipeline', 'serve', *map(str, arguments)],
    stderr=subprocess.PIPE,
    text=True,
    cwd=REPOSITORY,
    env=os.environ | environment,
  )


def free_port():
  with socket.socket() as found:
    found.bind(('127.0.0.1', 0))
    return found.getsockname()[1]


def wait_for(port, path='/readyz'):
  deadline = time.monotonic() + 120
  while time.monotonic() < deadline:
    with contextlib.suppress(OSError):
      connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
      if ask(connection, path)[0] == 200:
        return connection
    time.sleep(0.1)
  raise AssertionError('no answer')


@pytest.mark.lanes
def test_the_contract_of_vertex_ai_and_a_drain(serving_folder):
  """After SIGTERM it says that it is not ready, answers what has begun and what still comes, and ends well."""
  port = free_port()
  routes = {'AIP_HTTP_PORT': str(port), 'AIP_HEALTH_ROUTE': '/up', 'AIP_PREDICT_ROUTE': '/v1/models/fare:predict'}
  process = command(serving_folder, '--host', '127.0.0.1', '--drain', '2', **routes)
  try:
    connection = wait_for(port, '/up')
    assert ask(connection, '/v1/models/fare:predict', body(RIDE))[0] == 200
    content = body(RIDE)
    with socket.create_connection(('127.0.0.1', port)) as half:
      head = f'POST /v1/models/fare:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n'
      half.sendall(head.encode() + content[:10])
      process.send_signal(signal.SIGTERM)
      deadline = time.monotonic() + 60
      while ask(connection, '/readyz')[0] != 503 and time.monotonic() < deadline:
        time.sleep(0.05)
      status, headers, _ = ask(connection, '/v1/models/fare:predict', content)
      assert (status, headers['connection']) == (200, 'close')
      time.sleep(2.5)  # Nobody is let in any more, and what has begun is waited for.
      with pytest.raises(OSError):
        ask(http.client.HTTPConnection('127.0.0.1', port, timeout=5), '/livez')
      assert process.poll() is None
      half.sendall(content[10:])
      answer = half.makefile('rb').read()
    assert answer.startswith(b'HTTP/1.1 200') and b'"predictions"' in answer
    _, printed = process.communicate(timeout=60)
  finally:
    process.kill()
  assert process.returncode == 0
  assert f'(now 3) on http://127.0.0.1:{port}/v1/models/fare:predict.' in printed
  assert printed.endswith('Ended; all that was asked is answered.\n')


def test_it_loads_no_framework(serving_folder):
  """Oracle: the modules that are loaded once it can answer."""
  program = (
    'import sys, pipeline.cli, pipeline.commands.serve\n'
    'from pipeline.prediction import server\n'
    'from pipeline.prediction.served import ServedVersions\n'
    f'found = ServedVersions({str(serving_folder)!r}, 1)\n'
    'server.FareServer(found)\n'
    f'found.current.answer({body(RIDE)!r})\n'
    "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
  )
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
  loaded = done.stdout.splitlines()[-1]
  heavy = ('tensorflow', 'tfx', 'apache_beam', 'ml_metadata', 'pandas', 'scipy', 'sklearn', 'kfp')
  assert 'fastapi' in loaded and [name for name in heavy if f"'{name}'" in loaded] == []


def test_a_place_without_a_version(version, tmp_path):
  for place, message in (
    (tmp_path / 'nowhere', "There is no '.*nowhere'"),
    (tmp_path, 'is no directory of versions'),
    (version / 'model.tflite', 'is a file on its own; name its version'),
  ):
    with pytest.raises(ManifestError, match=message):
      ServedVersions(str(place), 1)
  shutil.copytree(version, tmp_path / 'run' / 'serving' / '3')
  for ask_for in (find_pushed, lambda place: ServedVersions(str(place), 1)):
    with pytest.raises(ManifestError, match=r"Did you mean '.*/run/serving'\?$"):
      ask_for(tmp_path / 'run')
  shutil.copytree(version, tmp_path / '3')
  (tmp_path / '3' / 'saved_model.pb').write_bytes(b'another')
  with pytest.raises(ManifestError, match=r"'saved_model.pb' in .* was altered"):
    ServedVersions(str(tmp_path), 1)


def test_mistakes_of_the_command(version, tmp_path, monkeypatch):
  with pytest.raises(UserError, match=r"There is no '.*x'; name a pushed version, or the directory of the versions\.$"):
    commands_serve.run(str(tmp_path / 'x'))
  with socket.create_server(('127.0.0.1', 0)) as taken:
    port = taken.getsockname()[1]
    with pytest.raises(UserError, match=rf'Nobody can listen on 127.0.0.1:{port} .* choose another --port'):
      commands_serve.run(str(version), port=port)
  ports = ('many', '0', '65536', '-1', '８０', '9' * 5000)
  routes = ('predict', '/v1/{name}', '/fare?', '/#', '/health', '/metrics', '/livez', '/openapi.json')
  for name, value in (*(('AIP_HTTP_PORT', port) for port in ports), *(('AIP_PREDICT_ROUTE', path) for path in routes)):
    with monkeypatch.context() as context:
      context.setenv(name, value)
      with pytest.raises(UserError, match=rf"{name} (must .*got|is) '{re.escape(value)}'"):
        commands_serve.run(str(version), port=free_port())
  with monkeypatch.context() as context:
    context.setenv('AIP_PREDICT_ROUTE', '/fares')
    context.setenv('AIP_HEALTH_ROUTE', '/fares')
    with pytest.raises(UserError, match="AIP_PREDICT_ROUTE is '/fares', which is the route of health already; choose"):
      commands_serve.run(str(version), port=free_port())
  monkeypatch.setattr(commands_serve, '_PACKAGES', ('fastapi', 'no_such_package'))
  with pytest.raises(UserError, match=r"needs no_such_package: pip install 'farelite\[serve\]'"):
    commands_serve.run(str(version))
