"""The ways by which a notification goes: a command, a webhook, Apprise. Each raises one sentence where it fails."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from configs.errors import FailedError
from configs.notify import VARIABLE, Event, Notify, Webhook
from pipeline.notifying.records import Notification

_PATIENCE = 60.0
"""Seconds that a command gets."""

_BUSY = frozenset({408, 425, 429})
"""Answers of a server that asks to come again; so do all from 500 on."""


def senders(notify: Notify) -> Mapping[str, Callable[[Notification], None]]:
  """What sends a notification, by the setting that asks for it; each raises `FailedError` where it could not."""
  ways: dict[str, Callable[[Notification], None]] = {}
  if notify.command:
    ways['notify.command'] = lambda told: by_command(notify.command, told)
  if webhook := notify.webhook:
    ways['notify.webhook'] = lambda told: by_webhook(webhook, told)
  if variable := notify.apprise:
    ways['notify.apprise'] = lambda told: by_apprise(variable, told)
  return ways


def by_command(command: Sequence[str], told: Notification) -> None:
  """Runs a command, with the notification on its standard input and the event in `FARELITE_EVENT`."""
  environment, content = os.environ | {'FARELITE_EVENT': told.event.value}, told.to_json().encode()
  try:
    done = subprocess.run(command, input=content, env=environment, capture_output=True, timeout=_PATIENCE)
  except subprocess.TimeoutExpired:
    raise FailedError(f"'{command[0]}' took longer than {_PATIENCE:.0f} s.") from None
  except (OSError, ValueError) as error:
    raise FailedError(f"'{command[0]}' could not be started: {getattr(error, 'strerror', None) or error}.") from None
  if done.returncode:
    said = (done.stderr.decode(errors='replace').strip().splitlines() or ['it says nothing'])[-1][:300]
    raise FailedError(f"'{command[0]}' ended with exit code {done.returncode}: {said}")


def by_webhook(webhook: Webhook, told: Notification, wait: Callable[[float], None] = time.sleep) -> None:
  """Posts the notification as JSON, again after 1, 2, 4, … seconds where the server can't take it now.

  What is raised names neither the address nor a header, as these may be secrets.
  """
  url = _filled(webhook.url)
  headers = {name: _filled(value) for name, value in webhook.headers.items()}
  headers = {'Content-Type': 'application/json', 'User-Agent': 'farelite', **headers}
  for attempt in range(webhook.retries + 1):
    if attempt:
      wait(2.0 ** (attempt - 1))
    try:
      request = urllib.request.Request(url, told.to_json(indent=None).encode(), headers, method='POST')
      with urllib.request.build_opener(_NoRedirect).open(request, timeout=webhook.timeout):
        return
    except urllib.error.HTTPError as error:
      why, again = f'answers {error.code} {error.reason}', error.code in _BUSY or error.code >= 500
    except (OSError, http.client.HTTPException) as error:
      why, again = f"can't be reached ({_cause(error)})", True
    except ValueError:
      why, again = 'has an address or a header that HTTP does not allow', False
    if not again:
      break
  raise FailedError(f'The server {why}, after {attempt + 1} attempt{"s" if attempt else ""}.')


class _NoRedirect(urllib.request.HTTPRedirectHandler):
  """Another address would get the headers, and by GET nothing else."""

  def redirect_request(self, *_: Any) -> None:
    return None


def _filled(text: str) -> str:
  """A text with the values of the environment variables that it names."""

  def value(match: Any) -> str:
    found = os.environ.get(match[1])
    if not found:
      raise FailedError(f'The environment variable {match[1]} is not set; export it.')
    return found

  return VARIABLE.sub(value, text)


def _cause(error: Exception) -> str:
  """In few words, and without the address."""
  cause = error.reason if isinstance(error, urllib.error.URLError) else error
  if isinstance(cause, TimeoutError):
    return 'no answer in time'
  return getattr(cause, 'strerror', None) or type(cause).__name__


_TYPES = {Event.PUSHED: 'success', Event.NOT_BLESSED: 'warning', Event.NOTHING_NEW: 'info', Event.STALE: 'warning'}


def by_apprise(variable: str, told: Notification) -> None:
  """Sends mail and chat by Apprise, to the addresses in an environment variable."""
  addresses = os.environ.get(variable, '').split()
  if not addresses:
    raise FailedError(f'The environment variable {variable} is not set; export it with the addresses, apart by spaces.')
  try:
    import apprise
  except ImportError:
    raise FailedError("Apprise is not installed; `pip install 'farelite[notify]'` does it.") from None
  found = apprise.Apprise()
  if not all([found.add(address) for address in addresses]):
    raise FailedError(f'Apprise knows no service for an address in {variable}.')
  title = f'{told.pipeline}: {told.event.value.replace("_", " ")}'
  body, kind = '\n'.join(dict.fromkeys((told.reason, *told.anomalies))), _TYPES.get(told.event, 'failure')
  if not found.notify(body=body, title=title, notify_type=kind):
    raise FailedError(f'A service of {variable} did not take it.')
