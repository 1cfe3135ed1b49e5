"""Reads in a step's log what went wrong, and how long it took to get going."""

from __future__ import annotations

import datetime
import pathlib
import re
from collections.abc import Sequence

from pipeline.rehearsal.bucket_guard import MARK

_EXCEPTION = re.compile(
  r'^(?:[\w.]+\.)?(?P<kind>\w*(?:Error|Exception|Refused|Found|Failed|Exit|Interrupt)): ?(?P<text>.*)$'
)
_MISSING_MODULE = re.compile(r"No module named '(?P<module>[\w.]+)'")
_LOST_FILE = re.compile(r"No such file or directory: '(?P<path>[^']+)'")
_ABSL = re.compile(r'^[IWEF](\d{4} \d\d:\d\d:\d\d\.\d{6}) .*\] (?P<text>.*)$')
_BEAM_STEP = re.compile(r"\s*\[while running '[^]]*'?\]?\s*$")
_ROOMS = ('components', 'configs', 'models', 'pipeline', 'transforms')
_TAIL_BYTES = 200_000
_SIGNALS = {-9: 'was killed (signal 9), as a pod is that runs out of memory', -15: 'was told to end (signal 15)'}


def sentence(log: pathlib.Path, exit_code: int, lost_inputs: Sequence[str] = ()) -> str:
  """Why a step failed, in one sentence without its name; the log's path comes with it.

  Args:
    log: of the step.
    exit_code: of its process.
    lost_inputs: sentences about inputs without a file.
  """
  reason = _reason(_tail(log), exit_code)
  return ' '.join((reason, *lost_inputs, f'Its log: {log}'))


def _reason(lines: Sequence[str], exit_code: int) -> str:
  if exit_code in _SIGNALS:
    return f'{_SIGNALS[exit_code]}.'
  last = next((match for line in reversed(lines) if (match := _EXCEPTION.match(line))), None)
  text = _BEAM_STEP.sub('', last['text']).strip() if last else ''
  missing = _MISSING_MODULE.search(text) or (None if last else _MISSING_MODULE.search('\n'.join(lines[-3:])))
  if missing:
    return _missing_module(missing['module'])
  lost = _LOST_FILE.search(text)
  if lost:
    return f"'{lost['path']}' is not there: a pod has only what came through its inputs (exit code {exit_code})."
  if last:
    told = text.rstrip('.') if ' ' in text else f'{last["kind"]}: {text}'.rstrip(': ')
    return f'{told} (exit code {exit_code}).'
  meaningful = next((line.strip() for line in reversed(lines) if line.strip()), 'it said nothing')
  return f'ended with exit code {exit_code}: {meaningful}.'


def _missing_module(module: str) -> str:
  if module.split('.')[0] in _ROOMS:
    return f"the module '{module}' is not in the wheel; give its folder an __init__.py."
  return f"the module '{module}' is not in the image; add its package to setup.py and the lock."


def _tail(log: pathlib.Path) -> list[str]:
  if not log.exists():
    return []
  return log.read_bytes()[-_TAIL_BYTES:].decode('utf-8', errors='replace').splitlines()


def opened_as_local(log: pathlib.Path) -> str | None:
  """A sentence about the first place where the step opened a bucket as a local file, or `None`."""
  for line in _tail(log):
    if line.startswith(MARK):
      place, _, uri = line.removeprefix(MARK).partition(' ')
      return f"opens {uri} as a local file ({place}), which it is in no pod; use TFX's fileio."
  return None


def seconds_until_executor(log: pathlib.Path, started: datetime.datetime) -> float | None:
  """Seconds from the start of the process until TFX handed over to the executor: the price of a process of its own.

  Args:
    log: of the step, with the time stamps of absl.
    started: local time.

  Returns:
    Seconds, or `None` where the process did not come that far, or is not TFX's.
  """
  for line in _tail(log):
    match = _ABSL.match(line)
    if match and match['text'].startswith('Starting executor'):
      moment = datetime.datetime.strptime(f'{started.year}{match[1]}', '%Y%m%d %H:%M:%S.%f')
      return (moment - started).total_seconds()
  return None
