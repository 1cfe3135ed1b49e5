"""Executors of the three kinds that the entry of a container tells apart; each writes down what it was given."""

from __future__ import annotations

from typing import Any

from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.components.base import base_beam_executor, base_executor

from components.fare_evaluator import component as fare_evaluator

Artifacts = dict[str, list[Any]]


def _write(executor: Any, given: Artifacts, made: Artifacts, properties: dict[str, Any]) -> None:
  context = {key: value for key, value in sorted(vars(executor).items()) if isinstance(value, str | list)}
  uris = {key: [artifact.uri for artifact in artifacts] for key, artifacts in given.items()}
  made['model'][0].set_string_custom_property('given', repr((context, uris, sorted(properties.items()))))
  made['blessing'][0].set_int_custom_property('current_model_id', given['model'][0].id)
  for key, value in (('text', 'a'), ('number', 2.5), ('count', 3), ('truth', True)):
    made[key][0].value = value
    made[key][0].write(value)


class Plain(base_executor.BaseExecutor):
  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
    _write(self, input_dict, output_dict, exec_properties)


class ByBeam(base_beam_executor.BaseBeamExecutor):
  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
    _write(self, input_dict, output_dict, exec_properties)


class Evaluator(evaluator_executor.Executor):
  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
    _write(self, input_dict, output_dict, exec_properties)


class FareEvaluator(fare_evaluator.FareEvaluatorExecutor):
  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
    _write(self, input_dict, output_dict, exec_properties)
