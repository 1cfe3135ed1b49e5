"""Placeholders of a container's command line, as the launchers of the backends replace them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.rehearsal.errors import SpecError

WHOLE_INPUT = '{{$}}'
_PLACEHOLDER = re.compile(r'\{\{\$(?!\}\})(.*?)\}\}')
_PARTS = re.compile(
  r"\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\['(?P<key>[^']+)'\]"
  r"(?:\.(?P<field>uri|path|name|value|output_file|metadata)(?:\['(?P<property>[^']+)'\])?)?"
)


def resolved(command: Sequence[str], content: Mapping[str, Any], text: str, names: Mapping[str, str]) -> list[str]:
  """The command line as the process gets it.

  Args:
    command: arguments with placeholders.
    content: the `ExecutorInput` that they refer to, as a dictionary.
    text: the same as JSON: what `{{$}}` becomes.
    names: what else has a name, such as `pipeline_job_name`.

  Raises:
    SpecError: a placeholder refers to nothing.
  """

  def one(argument: str) -> str:
    filled = _PLACEHOLDER.sub(lambda match: value_of(match.group(1), content, names), argument)
    return filled.replace(WHOLE_INPUT, text)

  return [one(argument) for argument in command]


def value_of(expression: str, content: Mapping[str, Any], names: Mapping[str, str]) -> str:
  """What `.inputs.parameters['x']` or `.inputs.artifacts['x'].uri` stands for."""
  if expression.removeprefix('.') in names:
    return names[expression.removeprefix('.')]
  if expression in ('.outputs.output_file', '.outputMetadataUri'):
    return content['outputs']['outputFile']
  match = _PARTS.fullmatch(expression)
  if match is None:
    raise SpecError(f'uses the placeholder {{{{${expression}}}}}, which no launcher knows.')
  try:
    return _text(_looked_up(match, content))
  except (KeyError, IndexError):
    raise SpecError(f'uses the placeholder {{{{${expression}}}}}, but there is no such {match["side"][:-1]}.') from None


def _looked_up(match: re.Match[str], content: Mapping[str, Any]) -> Any:
  side, key = content[match['side']], match['key']
  if match['kind'] == 'parameters':
    if match['side'] == 'outputs':
      return side['parameters'][key]['outputFile']
    if key in side.get('parameterValues', {}):
      return side['parameterValues'][key]
    [value] = side['parameters'][key].values()
    return value
  artifact = side['artifacts'][key]['artifacts'][0]
  if match['field'] == 'metadata':
    return artifact['metadata'][match['property']] if match['property'] else artifact['metadata']
  return artifact['uri' if match['field'] == 'path' else match['field'] or 'uri']


def _text(value: Any) -> str:
  """As the launchers write it: whole numbers without a point, structures as JSON."""
  if isinstance(value, str):
    return value
  if isinstance(value, float) and value.is_integer():
    return str(int(value))
  return json.dumps(value)
