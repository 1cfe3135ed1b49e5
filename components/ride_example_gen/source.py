"""The files that a step's parameters point to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.ride_example_gen.files import find_files
from components.ride_example_gen.spans import has_spans
from components.ride_example_gen.spec import WINDOW_KEY
from components.ride_example_gen.window import latest_window


def source_files(exec_properties: Mapping[str, Any]) -> tuple[str, ...]:
  """Paths of the files to read, the spans already filled into the patterns.

  Raises:
    IngestionError: no file matches.
  """
  return tuple(file for files in span_files(exec_properties).values() for file in files)


def span_files(exec_properties: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
  """Paths of the files to read by the name of the input split, or of the span, the newest one last.

  Raises:
    IngestionError: no file matches.
  """
  input_config = example_gen_pb2.Input()
  proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
  input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
  if any(has_spans(split.pattern) for split in input_config.splits):
    # No driver was here, or one whose findings were lost on the way.
    [pattern] = (split.pattern for split in input_config.splits)
    window = latest_window(input_base, pattern, int(exec_properties.get(WINDOW_KEY) or 1))
    return {span.label: span.files for span in window.spans}
  return {split.name: find_files(input_base, split.pattern) for split in input_config.splits}
