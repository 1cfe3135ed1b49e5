"""Resolves the span as TFX does, with errors that say what to do, and takes fingerprints of contents."""

from __future__ import annotations

import re
from typing import Any

from tfx.components.example_gen import driver, utils
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.files import check_inputs
from components.ride_example_gen.fingerprint import digest
from components.ride_example_gen.source import source_files
from models.whole_files import is_bucket

_RESOLVED = re.compile(r'span-(\d+)')


class RideDriver(driver.FileBasedDriver):
  """TFX's driver of file-based ExampleGens, with other errors and another fingerprint.

  TFX takes the files' sizes and times, so rides that were changed in place within a second would be served from the
  cache, and a mere `touch` would read everything again. Local files are digested; files in a bucket keep TFX's.
  """

  def resolve_exec_properties(
    self,
    exec_properties: dict[str, Any],
    pipeline_info: data_types.PipelineInfo,
    component_info: data_types.ComponentInfo,
  ) -> dict[str, Any]:
    """Fills the span into the pattern and adds span and fingerprint.

    Raises:
      IngestionError: no file matches, or the pattern or the span is wrong.
    """
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
    input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    for split in input_config.splits:
      check_inputs(input_base, split.pattern)
    try:
      resolved = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
    except (ValueError, RuntimeError) as error:
      patterns = ', '.join(split.pattern for split in input_config.splits)
      raise IngestionError(f"The input pattern '{patterns}' below '{input_base}' does not work: {error}") from error
    files = source_files(resolved)
    if not any(map(is_bucket, files)):
      resolved[utils.FINGERPRINT_PROPERTY_NAME] = digest(files)
    resolved[utils.SPAN_PROPERTY_NAME] = _newest_span(input_config) or resolved[utils.SPAN_PROPERTY_NAME]
    return resolved


def _newest_span(input_config: example_gen_pb2.Input) -> int | None:
  """The number in the last split's name, where the spans were resolved before the run."""
  match = _RESOLVED.fullmatch(input_config.splits[-1].name)
  return int(match.group(1)) if match else None
