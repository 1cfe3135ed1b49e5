"""`farelite page`: a pushed model in a real browser gives the client's fares, asks nobody, and says what is wrong.

What needs a browser is skipped without Chromium (`apt-get install chromium`), or without LiteRT.js (`make page`).
"""

from __future__ import annotations

import datetime
import http.server
import json
import pathlib
import re
import shutil
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.browser import BrowserError, Chromium, chromium, find_browser
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.compression import Scheme
from configs.dataset import EPOCH
from configs.errors import UserError
from configs.loading import load
from models.lite.client import LiteModel
from models.lite.columns import describe_inputs
from models.release import LITE_FILE, Manifest, write_golden, write_manifest
from models.settings import Settings
from pipeline.cli import main
from pipeline.report import fare_page
from pipeline.report.fare_page import write_fare_page
from tests.conftest import REPOSITORY
from tests.models.lite import made_model
from tests.models.lite.small_files import facts, preset_lite_file, small_lite_file, some_rides, write_version
from tests.pipeline.test_serve import answering

PAGE = REPOSITORY / 'page'
HOSTILE = '</script><script>document.title = "taken"</script>{{ 7 * 7 }}'
EXTRAS = [
  {'name': 'rate', 'column': 'RatecodeID', 'kind': 'categorical', 'vocabulary': ['1', HOSTILE]},
  {'name': 'wind', 'column': 'wind', 'unit': 'm/s'},
]


def made_version(folder, config, content, rows=40, off=0.0):
  """A version of a file, whose golden fares are `off` from its own; the rides and their fares."""
  write_version(folder)
  rides = some_rides(config, rows)
  fares = LiteModel(content).predict(rides)
  (folder / LITE_FILE).write_bytes(content)
  settings = Settings(config.dataset, config.features, config.model, config.training)
  (folder / 'assets.extra' / 'config.yaml').write_text(settings.to_yaml(), encoding='utf-8')
  write_golden(folder, rides, fares + np.float32(off), fares, tolerance=0.01)
  write_manifest(folder, Manifest(**{**facts(config), 'inputs': describe_inputs(config.dataset)}))
  return rides, fares


def with_extras():
  return load('nyc', [f'dataset.extras={json.dumps(EXTRAS)}'])


@pytest.fixture
def fake_runtime(tmp_path_factory, monkeypatch):
  """Something in place of LiteRT.js, for pages that no browser sees."""
  folder = tmp_path_factory.mktemp('runtime')
  (folder / 'litert.js').write_text('var LiteRt = "</b>";')
  (folder / 'litert.wasm.gz').write_bytes(b'\x1f\x8b')
  monkeypatch.setattr(fare_page, 'RUNTIME', folder)


@pytest.fixture(scope='module')
def tab():
  """One browser for all tests."""
  browser = find_browser()
  if browser is None:
    pytest.skip('needs Chromium (apt-get install chromium) to run the page')
  if not (fare_page.RUNTIME / 'litert.js').is_file():
    pytest.skip('needs LiteRT.js (make page, which needs npm)')
  with chromium(browser) as opened:
    yield opened


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """A page of the New York preset, its rides and fares."""
  folder = tmp_path_factory.mktemp('made')
  rides, fares = made_version(folder / '3', load('nyc'), preset_lite_file())
  return write_fare_page(str(folder), str(folder / 'fare.html')), rides, fares


def opened(tab: Chromium, page: pathlib.Path) -> dict:
  """What the page found of its golden rides."""
  tab.open(page)
  return tab.value('farelite.golden')


def in_browser(tab: Chromium, rides) -> np.ndarray:
  """Fares of rides, [rides], by the page that is open."""
  columns = {name: [None if value != value else value for value in column.tolist()] for name, column in rides.items()}
  script = f"""(async () => {{
    const columns = {json.dumps(columns)};
    const fares = [];
    for (let place = 0; place < columns[{TIME!r}].length; place += 1) {{
      const ride = Object.entries(columns).map(([name, column]) => [name, column[place] ?? NaN]);
      fares.push(await farelite.fare(Object.fromEntries(ride)));
    }}
    return fares;
  }})()"""
  return np.array(tab.value(script), np.float32)


def fill(tab: Chromium, **texts: str) -> str:
  """Types into fields; the fare that is shown then."""
  for name, text in texts.items():
    tab.value(f'document.getElementById({name!r}).value = {json.dumps(text)}')
  tab.value("document.getElementById('ride').dispatchEvent(new Event('input'))")
  tab.value('farelite.update()')
  return shown(tab, 'device-fare')


def shown(tab: Chromium, element: str) -> str:
  return tab.value(f'document.getElementById({element!r}).textContent')


def _bucketed():
  return small_lite_file(load('nyc', BUCKETS))


BUCKETS = ['features.buckets.enabled=true', 'features.crosses.enabled=true']
FILES = {
  'float32': (lambda: load('nyc'), preset_lite_file, 1e-4),
  'chicago': (lambda: load('chicago'), lambda: preset_lite_file('chicago'), 1e-4),
  'zones': (lambda: load('tlc-yellow-zones'), lambda: preset_lite_file('tlc-yellow-zones'), 1e-4),
  'buckets and crosses': (lambda: load('nyc', BUCKETS), _bucketed, 1e-4),
  'extras': (with_extras, lambda: small_lite_file(with_extras()), 1e-4),
  **{
    precision: (
      lambda: made_model.CONFIG,
      lambda precision=precision: made_model.whole_file(
        made_model.fresh_model(), Scheme(name=precision, precision=precision)
      ),
      tolerance,
    )
    # Kernels of WebAssembly round an 8-bit activation another way now and then.
    for precision, tolerance in (('int8', 1e-4), ('int16x8', 0.02), ('float16', 1e-3), ('dynamic_range', 0.3))
  },
}


@pytest.mark.parametrize('name', FILES)
def test_fares_are_those_of_the_client(tab, tmp_path, name):
  """Oracle: LiteRT in Python, ride by ride, on rides with missing values."""
  config, content, tolerance = (FILES[name][0](), FILES[name][1](), FILES[name][2])
  rides, fares = made_version(tmp_path / '3', config, content)
  if tolerance > 0.01:
    write_golden(tmp_path / '3', rides, fares, fares, tolerance)
    write_manifest(tmp_path / '3', Manifest(**facts(config)))
  assert np.ptp(fares) > 0.5 and any(np.isnan(column).any() for column in rides.values())
  found = opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html')))
  assert (found['count'], found['wrong']) == (len(fares), 0)
  np.testing.assert_allclose(in_browser(tab, rides), fares, rtol=0, atol=tolerance)


def test_the_form_is_the_ride(tab, tmp_path):
  """Oracle: the client's fare of the ride that is typed, shown in cents; a choice counts by its position."""
  content = small_lite_file(with_extras())
  made_version(tmp_path / '3', with_extras(), content)
  opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html')))
  assert tab.value('document.title') == 'Fares of nyc'
  typed = {
    TIME: '2014-06-03T17:30',
    **dict(zip(COORDINATES, ('-73.98', '40.75', '-73.78', '40.64'), strict=True)),
    PASSENGERS: '2',
    'rate': '1',
    'wind': '',
  }
  seconds = (datetime.datetime.fromisoformat(typed[TIME]) - EPOCH).total_seconds()
  ride = {name: np.array([float(text or 'nan')], np.float32) for name, text in typed.items() if name != TIME}
  client = LiteModel(content)
  for rate, code in (('1', 1.0), ('2', 2.0), ('', np.nan)):
    ride |= {TIME: np.array([seconds], np.int32), 'rate': np.array([code], np.float32)}
    assert fill(tab, **{**typed, 'rate': rate}) == f'${client.predict(ride)[0]:.2f}'
  assert tab.value("[...document.getElementById('rate').options].map((option) => option.textContent)") == [
    'missing', '1', HOSTILE, 'any other'
  ]  # fmt: skip


def test_a_choice_of_zones_puts_the_ends_there(tab, tmp_path):
  """Oracle: the client's fare between the zones' middles in the config; another place is no zone's any more."""
  config, content = load('tlc-yellow-zones'), preset_lite_file('tlc-yellow-zones')
  rides, _ = made_version(tmp_path / '3', config, content)
  opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html')))
  unknown = next(zone for zone, place in config.dataset.places.zones.items() if place is None)
  places = {'pickup': config.dataset.places.zones['132'], 'dropoff': config.dataset.places.zones['230']}
  for end, zone in (('pickup', '132'), ('dropoff', '230')):
    _choose(tab, f'{end}_zone', zone)
    assert [float(_value(tab, f'{end}_{axis}')) for axis in ('longitude', 'latitude')] == pytest.approx(places[end])
  assert _value(tab, 'pickup_zone') == '132'
  _choose(tab, 'dropoff_zone', unknown)
  assert (_value(tab, 'dropoff_longitude'), _value(tab, 'dropoff_zone')) == ('', unknown)
  _choose(tab, 'dropoff_zone', '230')
  shown_fare = fill(tab, **{TIME: '2014-06-03T17:30:00'})
  seconds = (datetime.datetime(2014, 6, 3, 17, 30) - EPOCH).total_seconds()
  ride = {name: np.array([np.nan], np.float32) for name in rides}
  ride |= dict(
    zip(COORDINATES, (np.array([x], np.float32) for x in (*places['pickup'], *places['dropoff'])), strict=True)
  )
  others = {name: _value(tab, name) for name in rides if name not in (TIME, *COORDINATES)}
  ride |= {name: np.array([float(text or 'nan')], np.float32) for name, text in others.items()}
  fare = LiteModel(content).predict(ride | {TIME: np.array([seconds], np.int32)})[0]
  assert shown_fare == f'${fare:.2f}'
  fill(tab, pickup_longitude='-73.9')
  assert (_value(tab, 'pickup_zone'), _value(tab, 'dropoff_zone')) == ('', '230')


def _choose(tab: Chromium, name: str, value: str) -> None:
  tab.value(f'document.getElementById({name!r}).value = {json.dumps(value)}')
  tab.value(f"document.getElementById({name!r}).dispatchEvent(new Event('input', {{bubbles: true}}))")


def _value(tab: Chromium, name: str) -> str:
  return tab.value(f'document.getElementById({name!r}).value')


@pytest.mark.parametrize(
  ('field', 'text', 'sentence'),
  [
    (TIME, '', 'pickup time may not be missing.'),
    (TIME, '2090-01-01T00:00', 'pickup time is not from 2009-01-01T00:00:00 to 2060-12-31T23:59:59'),
    ('pickup_longitude', '12', 'pickup longitude is not from -75 to -72.5'),
    (PASSENGERS, '99', 'passenger count is not from 1 to 8'),
  ],
)
def test_a_ride_that_can_not_be_has_no_fare(tab, made, field, text, sentence):
  opened(tab, made[0])
  assert fill(tab, **{field: text}) == '–'
  assert shown(tab, 'problem').startswith(sentence)
  assert fill(tab, **{TIME: '2014-06-03T17:30', 'pickup_longitude': '-74', PASSENGERS: ''}).startswith('$')
  assert shown(tab, 'problem') == ''


def test_wrong_golden_rides_are_told(tab, tmp_path):
  made_version(tmp_path / '3', load('nyc'), preset_lite_file(), rows=5, off=0.5)
  found = opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html')))
  assert found['wrong'] == 5
  assert shown(tab, 'state').startswith('5 of 5 golden rides have another fare here')
  assert tab.value("document.querySelector('header').className") == 'wrong'


def test_nobody_is_asked_and_nothing_complained_of(tab, made):
  """Oracle: the browser's own list of requests; `data:` are icons of its form elements."""
  tab.events.clear()
  opened(tab, made[0])
  tab.value('farelite.update()')
  asked = [event['request']['url'] for event in tab.told('Network.requestWillBeSent')]
  assert [url for url in asked if not url.startswith('data:')] == [made[0].as_uri()]
  assert tab.told('Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded') == []
  assert tab.value("fetch('http://127.0.0.1:9/').catch((error) => error.name)") == 'TypeError'  # By the page's policy.
  assert 'Content Security Policy' in tab.told('Log.entryAdded')[0]['entry']['text']


@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_it_fits_a_phone_in_light_and_dark(tab, made, dark):
  tab.look(390, 844, dark)
  opened(tab, made[0])
  tab.value("document.getElementById('measure').click()")
  measured = tab.value("""({
    width: document.documentElement.scrollWidth,
    wide: [...document.querySelectorAll('body *')].filter((element) => !element.closest('.scroll, svg')
      && !element.matches('.unseen, .skip') && element.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => one.id),
    map: document.getElementById('map').getBoundingClientRect().width,
    fare: document.getElementById('device-fare').getBoundingClientRect().bottom,
    ground: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.getElementById('passenger_count')).color,
  })""")
  assert measured['width'] <= 390 and measured['wide'] == []
  assert measured['map'] > 330
  assert measured['fare'] < 844  # Seen without scrolling.
  ground, ink = (max(int(part) for part in re.findall(r'\d+', measured[name])[:3]) for name in ('ground', 'ink'))
  assert (ground < 60 and ink > 200) if dark else (ground > 220 and ink < 60)


def test_the_map_moves_the_nearer_end(tab, made):
  """Oracle: where the end is drawn afterwards."""
  tab.look(1200, 900, False)
  opened(tab, made[0])
  fill(tab, pickup_longitude='-74.4', pickup_latitude='40.6', dropoff_longitude='-73.2', dropoff_latitude='41.2')
  end = "document.querySelectorAll('#map .end')[1].getBoundingClientRect()"
  x, y = tab.value(f"(() => {{ document.getElementById('map').scrollIntoView(); const box = {end}; "
                   'return [box.x + box.width / 2 - 40, box.y + box.height / 2 + 30]; })()')  # fmt: skip
  for kind in ('mousePressed', 'mouseReleased'):
    tab.ask('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)
  place = tab.value(f'(() => {{ const box = {end}; return [box.x + box.width / 2, box.y + box.height / 2]; }})()')
  np.testing.assert_allclose(place, [x, y], atol=1)
  assert tab.value("document.getElementById('pickup_longitude').value") == '-74.4'
  longitude, latitude = (float(tab.value(f"document.getElementById('dropoff_{axis}').value")) for axis in (
    'longitude', 'latitude'
  ))  # fmt: skip
  assert longitude < -73.2 and latitude < 41.2


def test_what_a_ride_costs(tab, made):
  opened(tab, made[0])
  found = tab.value('farelite.measure()')
  assert list(found) == ['set', 'run', 'get', 'whole']
  assert all(0 < us < 1e5 for us in found.values())


class Server(http.server.BaseHTTPRequestHandler):
  """Stands in for `farelite serve`: what it answers, and what it was asked."""

  answer = 200, {'predictions': [12.5]}
  asked: list[dict]
  origin = '*'

  def do_OPTIONS(self):
    self._reply(200, b'')

  def do_POST(self):
    self.asked.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
    code, content = self.answer
    self._reply(code, json.dumps(content).encode())

  def _reply(self, code, content):
    self.send_response(code)
    self.send_header('Access-Control-Allow-Origin', self.origin)
    self.send_header('Access-Control-Allow-Headers', 'content-type')
    self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    self.wfile.write(content)

  def log_message(self, *_):
    pass


@pytest.fixture
def server():
  """A handler class and the address where it answers."""

  class Handler(Server):
    asked = []

  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield Handler, f'http://127.0.0.1:{running.server_port}'
    running.shutdown()


def test_the_server_is_asked_for_the_same_ride(tab, tmp_path, server):
  """Oracle: what the stand-in was asked; what is missing is null, as the contract has it."""
  handler, address = server
  made_version(tmp_path / '3', load('nyc'), preset_lite_file())
  opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html'), f'{address}/'))
  fare = fill(
    tab, pickup_seconds='2014-06-03T17:30', passenger_count='', pickup_longitude='-73.98', pickup_latitude='40.75'
  )
  [instance] = handler.asked[-1]['instances']
  assert instance[TIME] == (datetime.datetime(2014, 6, 3, 17, 30) - EPOCH).total_seconds()
  assert instance[PASSENGERS] is None and instance['pickup_longitude'] == -73.98
  assert set(instance) == set(load('nyc').dataset.raw_inputs())
  assert shown(tab, 'server-fare') == '$12.50'
  assert re.fullmatch(r'[\d.]+ [µm]s a request, \$[\d.]+ apart', shown(tab, 'server-time'))
  handler.answer = 200, {'predictions': [float(fare.removeprefix('$'))]}
  tab.value('farelite.update()')
  assert shown(tab, 'server-fare') == fare and shown(tab, 'server-time').endswith('a request')


def test_farelite_serve_gives_the_page_its_fare(tab, tmp_path):
  """Oracle: the page's own fare, of the same file; without the origin of a file, the server is silent."""
  made_version(tmp_path / '3', load('nyc'), preset_lite_file())
  for origins, answers in ((('null',), True), ((), False)):
    with answering(tmp_path, origins=origins) as connection:
      address = f'http://{connection.host}:{connection.port}'
      opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html'), address))
      fare = fill(tab, passenger_count='')
      assert fare.startswith('$')
      assert shown(tab, 'server-fare') == (fare if answers else '–')
      assert ('no answer' in shown(tab, 'server-time')) != answers


@pytest.mark.parametrize(
  ('answer', 'sentence'),
  [
    ((400, {'error': 'Instance 0 is none.'}), 'refused (400): Instance 0 is none.'),
    ((200, {'predictions': []}), 'the answer has no number in "predictions"'),
    (None, 'no answer: it does not run, or not with farelite serve --allow-origin null'),
  ],
)
def test_a_server_that_gives_no_fare(tab, tmp_path, server, answer, sentence):
  handler, address = server
  if answer:
    handler.answer = answer
  else:
    handler.origin = 'http://elsewhere'
  made_version(tmp_path / '3', load('nyc'), preset_lite_file(), rows=3)
  opened(tab, write_fare_page(str(tmp_path), str(tmp_path / 'fare.html'), f'{address}/predict'))
  tab.value('farelite.update()')
  assert (shown(tab, 'server-fare'), shown(tab, 'server-time')) == ('–', sentence)
  assert shown(tab, 'device-fare').startswith('$')


def test_a_browser_that_throws_is_heard(tab, made):
  opened(tab, made[0])
  with pytest.raises(BrowserError, match='nowhere'):
    tab.value('nowhere.at.all')


def test_a_manifest_alone_makes_a_form(fake_runtime, tmp_path):
  """A version that was pushed without a config: numbers without limits, and the time as 32 bits hold it."""
  version = write_version(tmp_path / '3')
  (version / 'assets.extra' / 'config.yaml').unlink()
  write_manifest(version, Manifest(**facts(load('nyc'))))
  page = write_fare_page(str(version), str(tmp_path / 'fare.html')).read_text(encoding='utf-8')
  found = re.findall(r'<input id="(\w+)"', page)
  assert found == list(load('nyc').dataset.raw_inputs())
  assert 'min="1941-01-01T00:00:00"' in page and page.count(' min=') == 1


def test_names_of_any_kind_stay_names(fake_runtime, tmp_path):
  """A word of a vocabulary can't end the script that it is in; the runtime is put in as it is."""
  made_version(tmp_path / '3', with_extras(), small_lite_file(with_extras()), rows=2)
  page = write_fare_page(str(tmp_path), str(tmp_path / 'fare.html')).read_text(encoding='utf-8')
  assert '<script>document.title' not in page and '{{ 7 * 7 }}' in page
  assert '<script>var LiteRt = "</b>";</script>' in page


@pytest.mark.parametrize(
  ('server', 'policy'),
  [
    (None, None),
    ('http://127.0.0.1:8080', 'http://127.0.0.1:8080'),
    ('http://[::1]:8080/v1/models/fare:predict', 'http://[::1]:8080'),
  ],
)
def test_only_the_server_may_be_asked(fake_runtime, tmp_path, server, policy):
  write_version(tmp_path / '3')
  page = write_fare_page(str(tmp_path), str(tmp_path / 'fare.html'), server).read_text(encoding='utf-8')
  [content] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
  assert "default-src 'none'" in content
  assert re.findall(r'connect-src ([^;]*)', content) == ([policy] if policy else [])


@pytest.mark.parametrize(
  'server', ['127.0.0.1:8080', 'ftp://host', 'http://a b', 'http://h:x', "http://h;'", 'http://u:p@h']
)
def test_addresses_that_are_none(fake_runtime, tmp_path, server):
  write_version(tmp_path / '3')
  with pytest.raises(UserError, match='--server takes a URL such as'):
    write_fare_page(str(tmp_path), str(tmp_path / 'fare.html'), server)
  assert not (tmp_path / 'fare.html').exists()


def test_what_there_is_no_page_of(fake_runtime, tmp_path, monkeypatch):
  version, out = write_version(tmp_path / '3'), str(tmp_path / 'fare.html')
  for output, sentence in (
    ('fare.txt', 'must be a local file that ends in .html'),
    (str(tmp_path / 'no' / 'fare.html'), 'lies in a directory that is not there'),
    ('gs://bucket/fare.html', 'must be a local file'),
  ):
    with pytest.raises(UserError, match=sentence):
      write_fare_page(str(version), output)
  alone = shutil.copy(version / LITE_FILE, tmp_path / 'alone.tflite')
  with pytest.raises(UserError, match='a page needs its version'):
    write_fare_page(str(alone), out)
  (version / LITE_FILE).write_bytes(b'another')
  with pytest.raises(UserError, match='was altered'):
    write_fare_page(str(version), out)
  monkeypatch.setattr(fare_page, 'RUNTIME', tmp_path / 'nowhere')
  with pytest.raises(UserError, match=r'^LiteRT\.js, .* is not built here: run make page, which needs npm\.$'):
    write_fare_page(str(version), out)


def test_the_command_says_where_the_page_is(fake_runtime, tmp_path, monkeypatch, capfd):
  write_version(tmp_path / '3')
  output = tmp_path / 'fare.html'
  done = CliRunner().invoke(main, ['page', str(tmp_path / '3'), '--output', str(output)])
  assert (done.exit_code, output.is_file()) == (0, True), done.output
  assert str(output) in capfd.readouterr().out
  monkeypatch.setattr(fare_page, 'RUNTIME', tmp_path / 'nowhere')
  done = CliRunner().invoke(main, ['page', str(tmp_path / '3'), '--output', str(output)])
  assert (done.exit_code, 'run make page' in done.output) == (2, True), done.output


def test_packages_are_locked():
  """No version is left to the day of the build, none is bound to one registry, and what is built is what is locked."""
  wanted, lock = (json.loads((PAGE / name).read_text()) for name in ('package.json', 'package-lock.json'))
  pins = wanted['dependencies'] | wanted['devDependencies']
  assert all(re.fullmatch(r'\d+\.\d+\.\d+', version) for version in pins.values())
  packages = {name: facts for name, facts in lock['packages'].items() if name}
  assert all(facts['integrity'].startswith('sha512-') for facts in packages.values())
  assert not any('resolved' in facts for facts in packages.values())
  assert {name: packages[f'node_modules/{name}']['version'] for name in pins} == pins
  if (fare_page.RUNTIME / 'litert.js').is_file():
    built = (fare_page.RUNTIME / 'litert.js').read_text(encoding='utf-8').split(',', 1)[0]
    assert built == f'/* LiteRT.js {pins["@litertjs/core"]}', 'run make page again'


def test_the_tolerance_is_what_another_runtime_may_be_off(fake_runtime, tmp_path):
  made_version(tmp_path / '3', FILES['float32'][0](), FILES['float32'][1]())
  page = write_fare_page(str(tmp_path / '3'), str(tmp_path / 'fare.html')).read_text(encoding='utf-8')
  assert 'another runtime, whose kernels round in other places, may be up to 0.01 USD off' in page


def test_every_golden_column_is_an_input(fake_runtime, tmp_path):
  version = write_version(tmp_path / '3')
  golden = json.loads((version / 'assets.extra' / 'golden_rides.json').read_text())
  golden['rides']['wind'] = golden[LABEL]
  (version / 'assets.extra' / 'golden_rides.json').write_text(json.dumps(golden))
  write_manifest(version, Manifest(**facts(load('nyc'))))
  with pytest.raises(UserError, match="differ in 'wind'"):
    write_fare_page(str(version), str(tmp_path / 'fare.html'))
