"""Finds what a Resolver asks for, as Vertex's metadata service does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from pipeline.rehearsal.artifact_store import Artifact
from pipeline.rehearsal.errors import SpecError
from pipeline.rehearsal.placeholders import value_of

_PLACEHOLDER = re.compile(r'\{\{\$(.*?)\}\}')
_CLAUSE = re.compile(r'(?P<field>schema_title|state|name|metadata\.(?P<key>\w+)\.\w+_value)\s*=\s*"?(?P<value>.*?)"?')


def newest(query: str, inputs: Mapping[str, Any], artifacts: Iterable[Artifact]) -> Artifact | None:
  """The newest artifact that a query matches, or `None`.

  Args:
    query: clauses joined by AND, as TFX compiles LatestArtifactStrategy and LatestBlessedModelStrategy.
    inputs: the Resolver's own inputs, `{'artifacts': …}`; where the query refers to one that was not found, nothing
      is found.
    artifacts: to look among, the newest first.

  Raises:
    SpecError: the query has a clause of another kind.
  """
  try:
    query = _PLACEHOLDER.sub(lambda match: value_of(match.group(1), {'inputs': inputs}, {}), query)
  except SpecError:
    return None
  clauses = [_clause(text) for text in query.split(' AND ')]
  return next((artifact for artifact in artifacts if all(_holds(clause, artifact) for clause in clauses)), None)


def _clause(text: str) -> re.Match[str]:
  match = _CLAUSE.fullmatch(text.strip())
  if match is None:
    raise SpecError(f"asks for '{text}', which a rehearsal can't look up.")
  return match


def _holds(clause: re.Match[str], artifact: Artifact) -> bool:
  if clause['key']:
    value = artifact.get('metadata', {}).get(clause['key'])
    return str(value) == clause['value'] or (isinstance(value, float) and value == _number(clause['value']))
  if clause['field'] == 'schema_title':
    return schema_title(artifact) == clause['value']
  if clause['field'] == 'state':
    return clause['value'] == 'LIVE'
  return artifact['name'] == clause['value']


def _number(text: str) -> float | None:
  try:
    return float(text)
  except ValueError:
    return None


def schema_title(artifact: Mapping[str, Any]) -> str:
  """The title of an artifact's type, such as `tfx.Model`."""
  kind = artifact['type']
  return kind.get('schemaTitle') or yaml.safe_load(kind['instanceSchema'])['title']
