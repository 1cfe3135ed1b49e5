"""What a file lacks to be one of rides, and what to do about it, each in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.ride_example_gen import parsing
from components.ride_example_gen.files import AS_UTF_8
from configs.base import shortened
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.errors import UserError
from pipeline.starting import names
from pipeline.starting.number_style import as_values, guess_style, has_digits, is_escaped
from pipeline.starting.roles import Roles
from pipeline.starting.sample import Sample, shown
from pipeline.starting.time_style import TimeStyle


def check_chosen(
  sample: Sample, chosen: Mapping[str, str], values: Mapping[str, np.ndarray], times: Mapping[str, TimeStyle]
) -> None:
  """Refuses a column that was chosen for what it can't be. Raises `UserError`."""
  for role, name in chosen.items():
    if role == TIME and name not in times:
      raise UserError(f"The column '{name}' of '{sample.path}' can't be {TIME}. {_unknown_time(sample, name)}")
    numeric = role in (LABEL, *COORDINATES, PASSENGERS)
    if numeric and not np.any(np.isfinite(values.get(name, np.array([np.nan])))):
      raise UserError(f"The column '{name}' of '{sample.path}' holds no numbers, so it can't be {role}.")


def _unknown_time(sample: Sample, name: str) -> str:
  """What to do about a column that holds no time stamps as `guess_time` knows them."""
  cells = sample.columns[name].drop_null()
  such = f', such as {str(cells[0].as_py())[:40]!r}' if len(cells) else ''
  return (
    f"The values of '{shown(name)}'{such}, are in no form that is guessed: day and time of day in one column, as in "
    '2026-03-08 17:05:00, or Unix seconds. Write them so; or write a config by hand, with another dataset.time.format.'
  )


def check_roles(sample: Sample, roles: Roles) -> None:
  """Refuses a file without what every ride has. Raises `UserError`."""
  columns = roles.columns
  coordinates = [role for role in COORDINATES if role not in columns]
  wanting = [
    *(['the fare'] if LABEL not in columns else []),
    *(['the pickup time'] if TIME not in columns else []),
    *(['the places of pickup and dropoff'] if coordinates and not roles.zones else []),
  ]
  there = shortened([shown(name) for name in sample.columns], 30)
  if wanting:
    unread = _written_otherwise(sample, columns) if LABEL not in columns else ''
    stamps = [name for name in sample.columns if name not in columns.values() and names.score(name, TIME) > 0]
    stamps = [name for name in stamps if has_digits(sample.columns[name])]
    if LABEL in columns and TIME not in columns and stamps:
      unread = _unknown_time(sample, max(stamps, key=lambda name: names.score(name, TIME)))
    raise UserError(
      f"'{sample.path}' has no column that can be {wanting[0]} (its columns: {there}). "
      + (unread or _needed(wanting[0], _option(columns, coordinates)))
    )
  twice = [name for name in columns.values() if name in sample.twice]
  if twice:
    raise UserError(f"'{sample.path}' has the column '{twice[0]}' twice; rename or drop one of them.")


def _needed(part: str, option: str) -> str:
  """What a part of a ride has to be, and how to name its column."""
  if option not in COORDINATES:
    return f'If one of them is, name it with --column {option}=NAME.'
  return (
    f'{part[:1].upper()}{part[1:]} are four columns of degrees such as -73.98, or zone ids of both ends; points in one '
    f'column have to be divided. Name what is there with --column {option}=NAME.'
  )


def _written_otherwise(sample: Sample, columns: Mapping[str, str]) -> str:
  """A sentence about what has a fare's name, and is no UTF-8, or has another decimal mark than the coordinates."""
  written = guess_style(sample.columns)
  free = {name: column for name, column in sample.columns.items() if name not in columns.values()}
  for name, column in free.items():
    if names.score(name, LABEL) <= 0 or not parsing.is_text(column.type):
      continue
    if is_escaped(column):
      return f"'{shown(name)}' has bytes that are no UTF-8, such as a currency sign. {AS_UTF_8}"
    style = guess_style({name: column})
    if style.decimal != written.of(name).decimal and as_values(column, style) is not None:
      other = f"'{shown(name)}' has the decimal mark '{style.decimal}', and other columns another one"
      return f'{other}: write them alike, or list in dataset.numbers.columns those that have a comma.'
  return ''


def _option(columns: Mapping[str, str], coordinates: list[str]) -> str:
  return next((role for role in (LABEL, TIME) if role not in columns), coordinates[0] if coordinates else TIME)
