"""Checks options against Beam's own option classes.

Beam drops an option that it does not know with a line in the log, and takes a
part of a name for the whole one; a misspelled option has no effect then.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Mapping

from apache_beam.options.pipeline_options import PipelineOptions

from configs.beam import Option
from configs.errors import UserError
from configs.problems import nearest


class OptionError(UserError):
  """An option that Beam does not have, or a value that it does not take; begins with the option's name."""


def known_options() -> dict[str, argparse.Action]:
  """Beam's options by name, without dashes."""
  return {
    name.removeprefix('--'): action
    for name, action in _parser()._option_string_actions.items()
    if name.startswith('--') and name != '--help'
  }


def flags(options: Mapping[str, Option]) -> list[str]:
  """Options as flags for Beam; null leaves an option out.

  Args:
    options: values by name: true for an option that takes no value, a list for
      one that may be repeated.

  Raises:
    OptionError: see there; the nearest name is told.
  """
  known = known_options()
  found = []
  for name, value in options.items():
    if name not in known:
      raise OptionError(f"{name}: Beam has no option '{name}'.{nearest(name, known)}")
    own = _flags(name, value, known[name])
    parsed = getattr(_parse(name, own), known[name].dest)
    # Asked of the parser and not of the action's class: Beam has list actions of its own beside argparse's.
    if isinstance(value, list) and not isinstance(parsed, list):
      raise OptionError(f'{name}: takes one value, got {len(value)}.')
    found += own
  return found


def _parser() -> argparse.ArgumentParser:
  parsers: list[argparse.ArgumentParser] = []
  PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
  return parsers[0]


def _flags(name: str, value: Option, action: argparse.Action) -> list[str]:
  if value is None:
    return []
  if action.nargs == 0:
    if not isinstance(value, bool):
      raise OptionError(f'{name}: takes no value; write true, or leave it out, got {value!r}.')
    return [f'--{name}'] if value else []
  if isinstance(value, list):
    return [f'--{name}={item}' for item in value]
  return [f'--{name}={json.dumps(value) if isinstance(value, bool) else value}']


def _parse(name: str, own: list[str]) -> argparse.Namespace:
  """What Beam's parser makes of the flags; it judges the values."""
  parser = _parser()
  told = io.StringIO()
  try:
    with contextlib.redirect_stderr(told):
      return parser.parse_args(own)
  except SystemExit:
    reason = told.getvalue().strip().splitlines()[-1].split('error: ')[-1]
    raise OptionError(f'{name}: {reason.removeprefix(f"argument --{name}: ")}.') from None
