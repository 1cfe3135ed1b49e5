"""Resolves span and fingerprint as TFX does, with errors that say what to do."""

from __future__ import annotations

from typing import Any

from tfx.components.example_gen import driver
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.files import check_inputs


class RideDriver(driver.FileBasedDriver):
  """TFX's driver of file-based ExampleGens; only its errors differ."""

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
      return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
    except (ValueError, RuntimeError) as error:
      patterns = ', '.join(split.pattern for split in input_config.splits)
      raise IngestionError(f"The input pattern '{patterns}' below '{input_base}' does not work: {error}") from error
