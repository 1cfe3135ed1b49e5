"""What is told of a run, and by which channels. Oracle: what real processes and a real server on loopback got."""

from __future__ import annotations

import datetime
import http.server
import json
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from configs import loading
from configs.errors import FailedError
from configs.notify import Event, Webhook
from configs.records import Estimate
from models.served_versions import SAVED_MODEL
from pipeline.cli import main
from pipeline.local import output as local_output
from pipeline.notifying import channels, outcome
from pipeline.notifying.records import Notification, ToldRecord
from pipeline.retraining.ledger import Ledger, LedgerRun
from pipeline.summary_record import FindingRecord, MetricsRecord, RowsRecord, Status, Summary

NOW = datetime.datetime(2026, 3, 8, 3, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
TOLD = Notification(
  event=Event.FAILED, reason='Why.', pipeline='nyc', time=NOW.isoformat(), host='here', output='/out', currency='USD'
)


class Listener:
  """A server on loopback that keeps what is posted to it.

  Attributes:
    got: path, headers and JSON of each request.
    answers: status of the next answers; 200 once there are none left.
  """

  def __init__(self) -> None:
    self.got: list[tuple[str, dict[str, str], dict]] = []
    self.answers: list[int] = []
    listener = self

    class Handler(http.server.BaseHTTPRequestHandler):
      def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        listener.got.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(listener.answers.pop(0) if listener.answers else 200)
        self.send_header('Location', '/elsewhere')
        self.end_headers()

      def log_message(self, *_):
        pass

    self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    self.url = f'http://127.0.0.1:{self._server.server_address[1]}'
    threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

  def events(self) -> list[str]:
    """In the order in which they came."""
    return [body['event'] for _, _, body in self.got]

  def close(self) -> None:
    self._server.shutdown()
    self._server.server_close()


@pytest.fixture
def listener():
  listener = Listener()
  yield listener
  listener.close()


@pytest.fixture
def output(tmp_path):
  return local_output.prepare(str(tmp_path / 'out'))


def _config(*overrides: str):
  return loading.load('nyc', ['dataset.path="/rides/{YYYY}/{MM}/{DD}/*.csv"', *overrides])


def test_a_webhook_gets_json_and_the_values_of_named_variables(listener, monkeypatch):
  monkeypatch.setenv('NIGHT_TOKEN', 's3cret')
  webhook = Webhook(url=f'{listener.url}/hook', headers={'Authorization': 'Bearer ${NIGHT_TOKEN}'})
  channels.by_webhook(webhook, TOLD)
  [(path, headers, body)] = listener.got
  assert (path, headers['Authorization'], headers['Content-Type']) == ('/hook', 'Bearer s3cret', 'application/json')
  assert Notification.model_validate(body) == TOLD.model_copy(update={'schema_version': body['schema_version']})
  assert 's3cret' not in str(webhook)


@pytest.mark.parametrize(
  ('answers', 'retries', 'requests', 'message'),
  [
    pytest.param([503, 429], 3, 3, None, id='busy_at_first'),
    pytest.param([500] * 3, 2, 3, r'^The server answers 500 Internal Server Error, after 3 attempts\.$', id='broken'),
    pytest.param([403], 3, 1, r'^The server answers 403 Forbidden, after 1 attempt\.$', id='refused'),
    pytest.param([302], 3, 1, r'^The server answers 302 Found, after 1 attempt\.$', id='sent_elsewhere_with_secrets'),
  ],
)
def test_a_webhook_is_tried_again_where_that_may_help(listener, answers, retries, requests, message):
  waits = []
  listener.answers = list(answers)
  webhook = Webhook(url=listener.url, retries=retries)
  if message:
    with pytest.raises(FailedError, match=message):
      channels.by_webhook(webhook, TOLD, waits.append)
  else:
    channels.by_webhook(webhook, TOLD, waits.append)
  assert len(listener.got) == requests
  assert waits == [1.0, 2.0, 4.0][: requests - 1]


def test_a_server_that_is_not_there_or_never_answers(listener):
  url = listener.url
  listener.close()
  with pytest.raises(FailedError, match=r"^The server can't be reached \(Connection refused\), after 2 attempts\.$"):
    channels.by_webhook(Webhook(url=url, retries=1), TOLD, lambda _: None)
  with pytest.raises(FailedError, match='The environment variable NO_SUCH_ADDRESS is not set; export it'):
    channels.by_webhook(Webhook(url='${NO_SUCH_ADDRESS}'), TOLD)


def test_a_command_gets_json_and_the_event(tmp_path):
  file = tmp_path / 'told'
  program = f'import os, sys; open({str(file)!r}, "w").write(os.environ["FARELITE_EVENT"] + sys.stdin.read())'
  channels.by_command([sys.executable, '-c', program], TOLD)
  text = file.read_text()
  assert text.startswith('failed{') and json.loads(text.removeprefix('failed'))['reason'] == 'Why.'
  by_shell = _config(f"notify.command='echo $FARELITE_EVENT > {file}'").notify.command
  channels.by_command(by_shell, TOLD)
  assert file.read_text() == 'failed\n'


@pytest.mark.parametrize(
  ('command', 'message'),
  [
    pytest.param(['/nowhere/mail'], r"^'/nowhere/mail' could not be started: No such file or directory\.$", id='none'),
    pytest.param(['/bin/sh', '-c', 'echo no; echo worse >&2; exit 3'], 'ended with exit code 3: worse$', id='fails'),
  ],
)
def test_a_command_that_fails(command, message):
  with pytest.raises(FailedError, match=message):
    channels.by_command(command, TOLD)


def test_apprise_gets_title_and_reason(listener, monkeypatch):
  pytest.importorskip('apprise', reason="needs the extra notify: pip install 'farelite[notify]'")
  monkeypatch.setenv('NIGHT_APPRISE', listener.url.replace('http://', 'json://'))
  channels.by_apprise('NIGHT_APPRISE', TOLD)
  [(_, _, body)] = listener.got
  assert (body['title'], body['message'], body['type']) == ('nyc: failed', 'Why.', 'failure')


def test_apprise_without_addresses(monkeypatch):
  monkeypatch.delenv('NIGHT_APPRISE', raising=False)
  with pytest.raises(FailedError, match='variable NIGHT_APPRISE is not set; export it with the addresses'):
    channels.by_apprise('NIGHT_APPRISE', TOLD)


SUMMARY = Summary(
  status=Status.PUSHED,
  reason='Good.',
  run='r1',
  rows=RowsRecord(read=200, kept=190, quarantined={'unparsable_number': 10}, splits={'train': 100, 'eval': 90}),
  metrics=MetricsRecord(rmse={'value': 4.5, 'low': 4.0, 'high': 5.0}),
  pushed_version='1772900000',
  findings=(
    FindingRecord(
      sentence='Fares drift.', split='eval', feature='fare_amount', kind='drift', severity='warning', stops=False,
      expected='less', came='more', divergence=0.5, threshold=0.2,
    ),
  ),
)  # fmt: skip


def test_what_is_told_of_a_run(listener, output):
  """Oracle: the summary; a version's number is the Unix time of its push."""
  version = output.serving / '1772900000'
  version.mkdir(parents=True)
  (version / SAVED_MODEL).write_bytes(b'graph')
  outcome.tell(_config(f'notify.webhook.url={listener.url}'), output, Event.PUSHED, 'Good.', SUMMARY, NOW)
  [(_, _, body)] = listener.got
  assert body['rows'] == {'read': 200, 'kept': 190, 'quarantined_share': 0.05}
  assert body['rmse'] == {'value': 4.5, 'low': 4.0, 'high': 5.0}
  assert (body['event'], body['status'], body['run'], body['pushed_version']) == (
    'pushed',
    'pushed',
    'r1',
    1772900000,
  )
  assert (body['served_version'], body['served_since']) == (1772900000, '2026-03-07T16:13:20+00:00')
  assert (body['anomalies'], body['currency'], body['schema_version']) == (['Fares drift.'], 'USD', 2)
  assert type(body['pushed_version']) is type(body['served_version']) is int


def test_what_is_not_known_is_left_out(listener, output):
  """Before the first run, and after one that measured nothing."""
  config, nothing = _config(f'notify.webhook.url={listener.url}'), Summary(status=Status.FAILED, run='r1')
  for summary in (None, nothing):
    outcome.tell(config, output, Event.FAILED, 'Why.', summary, NOW)
  always = ['schema_version', 'event', 'reason', 'pipeline', 'time', 'host', 'output', 'currency']
  bodies = [body for _, _, body in listener.got]
  assert [sorted(body) for body in bodies] == [sorted(always), sorted([*always, 'status', 'run', 'anomalies'])]


@pytest.mark.parametrize('summary', [None, Summary(status=Status.ANOMALIES)], ids=['not_run', 'without_findings'])
def test_the_sentence_that_stopped_a_run_is_among_the_anomalies(listener, output, summary):
  outcome.tell(_config(f'notify.webhook.url={listener.url}'), output, Event.ANOMALIES, 'It is broken.', summary, NOW)
  [(_, _, body)] = listener.got
  assert (body['reason'], body['anomalies']) == ('It is broken.', ['It is broken.'])


def test_what_fails_is_said_and_raises_nothing(listener, output):
  said = []
  config = _config(
    'notify.command=[/nowhere/mail]', f'notify.webhook.url={listener.url}', 'notify.prometheus=/no/a.prom'
  )
  outcome.tell(config, output, Event.FAILED, 'Why.', now=NOW, say=said.append)
  assert listener.events() == ['failed']
  assert [sentence.partition(':')[0] for sentence in said] == [
    'notify.prometheus',
    'notify.command was not told of failed',
  ]


def test_only_events_that_are_asked_for(listener, output):
  config = _config(f'notify.webhook.url={listener.url}', 'notify.on=[failed]')
  for event in (Event.PUSHED, Event.NOTHING_NEW, Event.FAILED):
    outcome.tell(config, output, event, 'Why.', now=NOW)
  assert listener.events() == ['failed']
  outcome.tell(_config(), output, Event.FAILED, 'Why.', now=NOW)
  assert not (local_output.prepare(str(output.path / 'other')).notified).exists()


def _ledger(output, *statuses: str) -> None:
  first = NOW - len(statuses) * DAY
  runs = [LedgerRun(first + n * DAY, {n: 'a'}, 's', status) for n, status in enumerate(statuses)]
  Ledger(output.ledger, runs=runs).save()


@pytest.mark.parametrize(
  ('limits', 'statuses', 'expected'),
  [
    pytest.param({'not_blessed': 2}, ['not_blessed', 'failed', 'not_blessed'], 'The last 2 runs were not blessed',
                 id='not_blessed_twice'),
    pytest.param({'not_blessed': 2}, ['not_blessed', 'pushed', 'not_blessed'], None, id='pushed_in_between'),
    pytest.param({'days': 2}, ['failed', 'failed', 'failed'],
                 'Nothing was pushed for 3.0 days, more than 2 (notify.stale.days). Nothing serves.', id='never'),
    pytest.param({'days': 4}, ['failed', 'failed', 'failed'], None, id='not_so_long_yet'),
  ],
)  # fmt: skip
def test_when_a_pipeline_is_stale(output, limits, statuses, expected):
  _ledger(output, *statuses)
  overrides = [f'notify.stale.{name}={value}' for name, value in limits.items()]
  found = outcome.stale_reason(_config('notify.command=[x]', *overrides), output, NOW)
  assert found is None if expected is None else found.startswith(expected)


def test_stale_is_told_once_a_day(listener, output):
  _ledger(output, 'not_blessed')
  config = _config(f'notify.webhook.url={listener.url}', 'notify.on=[stale]', 'notify.stale.not_blessed=1')
  for hours in (0, 5, 23, 24, 30, 49):
    outcome.tell(config, output, Event.NOT_BLESSED, 'Bad.', now=NOW + datetime.timedelta(hours=hours))
  times = [body['time'] for _, _, body in listener.got]
  assert times == ['2026-03-08T03:00:00+00:00', '2026-03-09T03:00:00+00:00', '2026-03-10T04:00:00+00:00']
  outcome.tell(config, output, Event.PUSHED, 'Good.', now=NOW + 3 * DAY)
  assert ToldRecord.read(output.notified).stale is None


@pytest.mark.parametrize('with_run', [True, False], ids=['after_a_run', 'before_the_first'])
def test_metrics_are_valid_and_whole(tmp_path, output, with_run):
  """Oracle: Prometheus' own parser."""
  file = tmp_path / 'farelite.prom'
  file.write_text('old')
  version = output.serving / '1772900000'
  version.mkdir(parents=True)
  (version / SAVED_MODEL).write_bytes(b'graph')
  event = Event.PUSHED if with_run else Event.FAILED
  outcome.tell(_config(f'notify.prometheus={file}'), output, event, 'x', SUMMARY if with_run else None, NOW)
  families = {family.name: family for family in text_string_to_metric_families(file.read_text())}
  values = {
    (name, *sorted(sample.labels.items())): sample.value
    for name, family in families.items()
    for sample in family.samples
  }
  pipeline = ('pipeline', 'nyc')
  assert {family.type for family in families.values()} == {'gauge'}
  assert values['farelite_last_run_timestamp_seconds', pipeline] == NOW.timestamp()
  assert values['farelite_last_run_status', ('event', event.value), pipeline] == 1
  assert sum(value for (name, *_), value in values.items() if name == 'farelite_last_run_status') == 1
  assert values['farelite_served_version_age_seconds', pipeline] == NOW.timestamp() - 1772900000
  assert values.get(('farelite_rmse', ('currency', 'USD'), pipeline)) == (4.5 if with_run else None)
  assert values.get(('farelite_rows', ('kind', 'kept'), pipeline)) == (190 if with_run else None)
  assert values.get(('farelite_quarantined_share', pipeline)) == (0.05 if with_run else None)


def test_labels_are_escaped():
  from pipeline.notifying.metrics import _lines

  told = TOLD.model_copy(update={'currency': 'a"b\\c\nd', 'rmse': Estimate(1.0)})
  families = text_string_to_metric_families('\n'.join(_lines(told, NOW)) + '\n')
  [sample] = [sample for family in families for sample in family.samples if sample.name == 'farelite_rmse']
  assert sample.labels['currency'] == 'a"b\\c\nd'


def _farelite(*arguments: str):
  return CliRunner().invoke(main, list(arguments))


def test_a_start_that_fails_is_told(listener, tmp_path):
  """The config can be read, and the rides are not there: before there is an output, and in it."""
  missing = f'{tmp_path}/none/{{YYYY}}/{{MM}}/{{DD}}/*.csv'
  for command, pattern in (('retrain', missing), ('run', f'{tmp_path}/none/*.csv')):
    tell = ('--set', f'notify.webhook.url={listener.url}', '--set', f'dataset.path="{pattern}"')
    result = _farelite(command, '--config', 'nyc', *tell, '--output', str(tmp_path / command))
    assert result.exit_code == 2
  assert listener.events() == ['failed', 'failed']
  assert [body['reason'] for _, _, body in listener.got] == [
    reason for reason in (body['reason'] for _, _, body in listener.got) if 'No file' in reason
  ]


def test_a_notification_by_hand(listener, output):
  hook = ('--config', 'nyc', '--output', str(output.path), '--set', f'notify.webhook.url={listener.url}')
  sent = _farelite('notify', *hook, '--event', 'pushed', '--reason', 'A trial.')
  assert (sent.exit_code, sent.output) == (0, 'Sent pushed by notify.webhook.\n')
  assert [(body['event'], body['reason']) for _, _, body in listener.got] == [('pushed', 'A trial.')]
  listener.answers = [403]
  refused = _farelite('notify', *hook)
  assert refused.exit_code == 1 and 'The server answers 403 Forbidden' in refused.output
  nobody = _farelite('notify', '--config', 'nyc')
  assert nobody.exit_code == 2 and 'The config names nobody to tell. Set notify.command' in nobody.output
  idle = _farelite('notify', *hook, '--event', 'nothing_new')
  assert idle.exit_code == 2 and "Nobody is told of 'nothing_new'. Add it to notify.on" in idle.output


def test_a_killed_run_is_told_once(listener, output: local_output.OutputDirectory):
  config = _config(f'notify.webhook.url={listener.url}')
  call = ('notify', '--if-killed', '--config', 'nyc', '--output', str(output.path),
          '--set', f'notify.webhook.url={listener.url}')  # fmt: skip
  assert _farelite(*call).output.startswith('Nothing to send')
  outcome.note_begun(config, output)
  with local_output.locked(output):
    assert _farelite(*call).output.startswith('Nothing to send')
  assert _farelite(*call).output.startswith('Sent failed: The run that began at ')
  assert _farelite(*call).output.startswith('Nothing to send')
  assert listener.events() == ['failed']


@pytest.mark.parametrize(
  ('setting', 'said'),
  [
    pytest.param('notify.webhook.url=${NO_SUCH_ADDRESS}', 'variable NO_SUCH_ADDRESS is not set; export it.',
                 id='variable'),
    pytest.param('notify.webhook={url: "http://127.0.0.1:9", retries: 0}', "can't be reached (Connection refused)",
                 id='refused'),
    pytest.param('notify.command="exit 7"', "'/bin/sh' ended with exit code 7: it says nothing", id='exit_code'),
  ],
)  # fmt: skip
def test_a_channel_that_fails_is_told_in_one_line(tmp_path, setting, said):
  """Oracle: both streams of a process."""
  command = [sys.executable, '-m', 'pipeline', 'notify', '--config', 'nyc', '--output', str(tmp_path), '--set', setting]
  done = subprocess.run(command, capture_output=True, text=True)
  assert (done.returncode, done.stdout, done.stderr.count('\n')) == (1, '', 1)
  assert done.stderr.startswith('Error: notify.') and said in done.stderr


def test_a_run_that_a_signal_ended_was_not_killed(listener, output):
  """Oracle: Prometheus' own parser for the time, which is that of the run."""
  metrics = output.path / 'farelite.prom'
  settings = [f'notify.webhook.url={listener.url}', f'notify.prometheus={metrics}']
  config = _config(*settings)
  outcome.note_begun(config, output)
  began = datetime.datetime.now(datetime.timezone.utc) - DAY
  note = ToldRecord.read(output.notified).model_copy(update={'begun': began.isoformat(timespec='seconds')})
  output.notified.write_text(note.to_json())
  outcome.note_interrupted(config, output, KeyboardInterrupt(signal.SIGTERM))
  told = _farelite('notify', '--if-killed', '--config', 'nyc', '--output', str(output.path),
                   *(word for setting in settings for word in ('--set', setting)))  # fmt: skip
  assert told.output.endswith(f'{began.isoformat(timespec="seconds")} was interrupted by SIGTERM.\n'), told.output
  families = {family.name: family for family in text_string_to_metric_families(metrics.read_text())}
  [ran] = families['farelite_last_run_timestamp_seconds'].samples
  assert ran.value == int(began.timestamp())
  outcome.note_begun(config, output)
  assert ToldRecord.read(output.notified).interrupted is None


def test_a_broken_note_costs_nothing(listener, output):
  pathlib.Path(output.notified).write_text('{')
  outcome.tell(_config(f'notify.webhook.url={listener.url}'), output, Event.FAILED, 'Why.', now=NOW)
  assert listener.events() == ['failed']
