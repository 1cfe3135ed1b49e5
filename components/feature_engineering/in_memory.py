"""tft without Beam: analyzes a function, and applies what came of it, batch by batch in this process.

Whatever decides a value is tft's own: the trace, the combiners of its analyzers, the SavedModel with their results in
it, and how that is loaded and applied. What is left is to hand each batch from one to the next, in the order of the
files. So constants and features have the bits that they have with Beam, where it works on one file in one go.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import analyzer_nodes, common, graph_tools, impl_helper, nodes
from tensorflow_transform.saved import saved_transform_io_v2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx.dsl.io import fileio
from tfx_bsl.tfxio import tensor_adapter

PreprocessingFn = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


def analyze(
  function: PreprocessingFn,
  adapter: tensor_adapter.TensorAdapterConfig,
  batches: Iterable[pa.RecordBatch],
  schema: schema_pb2.Schema,
  graph_uri: str,
  temporary: str,
) -> None:
  """Writes what `tft.TFTransformOutput` opens, as tft's `WriteTransformFn` and `WriteMetadata` do.

  Args:
    function: its analyzers are combiners that wait for no other analyzer, as means and quantiles are.
    adapter: how batches become tensors.
    batches: of the rides that are analyzed.
    schema: of the rides.
    graph_uri: folder of the output.
    temporary: a folder for tft while it traces.
  Raises: TypeError: an analyzer is of another kind.
  """
  tensors = tensor_adapter.TensorAdapter(adapter)
  specs = tensors.OriginalTypeSpecs()
  graph, inputs, _ = impl_helper.trace_preprocessing_function(function, specs, False, temporary)
  fingerprint = graph_tools.get_analyzers_fingerprint(graph, inputs)
  constants = _fitted(graph, inputs, (tensors.ToBatchTensors(batch) for batch in batches))
  metadata_io.write_metadata(
    dataset_metadata.DatasetMetadata(schema), posixpath.join(graph_uri, tft.TFTransformOutput.RAW_METADATA_DIR)
  )
  saved_model = posixpath.join(graph_uri, tft.TFTransformOutput.TRANSFORM_FN_DIR)
  impl_helper.trace_and_write_v2_saved_model(
    saved_model, _AnnotatedOnce(function), specs, temporary, fingerprint, constants, None, None
  )
  # tft leaves the schema of the features inside of the SavedModel, and looks for it beside.
  inside = posixpath.join(saved_model, impl_helper.METADATA_DIR_NAME)
  beside = posixpath.join(graph_uri, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR)
  metadata_io.write_metadata(metadata_io.read_metadata(inside), beside)
  fileio.rmtree(inside)


_NO_ANNOTATIONS = {
  analyzer_nodes.TENSOR_REPLACEMENTS,
  analyzer_nodes.ALL_REPLACEMENTS,
  common.ANALYZER_COLLECTION,
  common.MAPPER_COLLECTION,
}
"""Collections of a trace that say nothing about its features; tft keeps what a function annotates in others."""

_METADATA = 'metadata_fn'
"""The trace of which tft keeps the annotations alone (`schema_inference.get_traced_metadata_fn`)."""


class _AnnotatedOnce:
  """A function that tft's writer traces once; it would again for annotations, of which the first trace had none."""

  def __init__(self, function: PreprocessingFn) -> None:
    self._function, self._unannotated = function, False

  def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    graph = tf.compat.v1.get_default_graph()
    if self._unannotated and getattr(graph, 'name', '') == _METADATA:
      return {}
    features = self._function(inputs)
    self._unannotated = not any(map(graph.get_collection, {*graph.get_all_collection_keys()} - _NO_ANNOTATIONS))
    return features


def _fitted(
  graph: tf.Graph, inputs: Mapping[str, tf.Tensor], batches: Iterable[Mapping[str, tf.Tensor]]
) -> dict[str, tf.Tensor]:
  """By the name of the tensor that stands for it in the trace, what each analyzer finds."""
  sinks = graph.get_collection(analyzer_nodes.TENSOR_REPLACEMENTS)
  analyzers = _Analyzers()
  traverser = nodes.Traverser(analyzers)
  for sink in sinks:
    traverser.visit_value_node(sink.future)
  _check_phases(graph, inputs, sinks, analyzers.found)
  observe = _observer(graph, inputs, analyzers.found.values())
  for batch in batches:
    values = observe(batch)
    for analyzer in analyzers.found.values():
      analyzer.add([values[tensor.name] for tensor in analyzer.tensors])
  results = nodes.Traverser(_Results({label: analyzer.result() for label, analyzer in analyzers.found.items()}))
  return {sink.tensor.name: tf.constant(results.visit_value_node(sink.future), sink.tensor.dtype) for sink in sinks}


def _check_phases(
  graph: tf.Graph,
  inputs: Mapping[str, tf.Tensor],
  sinks: Iterable[analyzer_nodes.TensorSink],
  analyzers: Mapping[str, _Analyzer],
) -> None:
  """Results that are not there yet have defaults in the trace, so that nothing else would complain."""
  ready = graph_tools.InitializableGraphAnalyzer(graph, inputs, [(sink.tensor, False) for sink in sinks])
  for label, analyzer in analyzers.items():
    if not all(map(ready.ready_to_run, analyzer.tensors)):
      raise TypeError(f'{label} waits for another analyzer; only Beam can analyze it.')


@dataclasses.dataclass
class _Analyzer:
  """A combiner, the tensors that it gets of each batch, and what it has of them."""

  combiner: analyzer_nodes.Combiner
  tensors: tuple[tf.Tensor, ...]

  def __post_init__(self) -> None:
    self._state = self.combiner.create_accumulator()

  def add(self, values: list[np.ndarray]) -> None:
    self._state = self.combiner.add_input(self._state, values)

  def result(self) -> list[Any]:
    """Merged once into a new one, as Beam merges what the bundles come to."""
    merged = self.combiner.merge_accumulators([self.combiner.create_accumulator(), self.combiner.compact(self._state)])
    return list(self.combiner.extract_output(merged))


class _Analyzers(nodes.Visitor):
  """Finds the analyzers, by label."""

  def __init__(self) -> None:
    self.found: dict[str, _Analyzer] = {}

  def visit(self, operation_def: nodes.OperationDef, input_values: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(operation_def, analyzer_nodes.TensorSource):
      return (operation_def.tensors,)
    if isinstance(operation_def, analyzer_nodes.CacheableCombineAccumulate):
      self.found[operation_def.label] = _Analyzer(operation_def.combiner, *input_values)
    elif not isinstance(operation_def, _AFTER_ALL_BATCHES):
      raise TypeError(f'{type(operation_def).__name__} is no combiner; only Beam can analyze it.')
    return (None,) * operation_def.num_outputs

  def validate_value(self, value: Any) -> None:
    """Anything goes."""


_AFTER_ALL_BATCHES = (analyzer_nodes.CacheableCombineMerge, analyzer_nodes.ExtractCombineMergeOutputs)


class _Results(nodes.Visitor):
  """Hands what the analyzers found to the tensors that wait for it."""

  def __init__(self, found: Mapping[str, list[Any]]):
    self._found = found

  def visit(self, operation_def: nodes.OperationDef, input_values: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(operation_def, analyzer_nodes.ExtractCombineMergeOutputs):
      return tuple(input_values[0])
    return (self._found[operation_def.label],) if operation_def.label in self._found else (*input_values, None)[:1]

  def validate_value(self, value: Any) -> None:
    """Anything goes."""


def _observer(
  graph: tf.Graph, inputs: Mapping[str, tf.Tensor], analyzers: Iterable[_Analyzer]
) -> Callable[[Mapping[str, tf.Tensor]], dict[str, np.ndarray]]:
  """A function from the tensors of a batch to those that the analyzers want, by name."""
  wanted = sorted({tensor.name for analyzer in analyzers for tensor in analyzer.tensors})
  definition = graph.as_graph_def()
  whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=''), [])
  feeds = {name: whole.graph.get_tensor_by_name(tensor.name) for name, tensor in inputs.items()}
  pruned = whole.prune(list(feeds.values()), [whole.graph.get_tensor_by_name(name) for name in wanted])

  def observe(batch: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in zip(wanted, pruned(*(batch[feed] for feed in feeds)), strict=True)}

  return observe


class AppliedTransform:
  """The function that `analyze` wrote, for any number of batches."""

  def __init__(self, graph_uri: str, adapter: tensor_adapter.TensorAdapterConfig):
    output = tft.TFTransformOutput(graph_uri)
    self._tensors = tensor_adapter.TensorAdapter(adapter)
    self._model = saved_transform_io_v2.SavedModelLoader(output.transform_savedmodel_dir)
    self._model.finalize(adapter.tensor_representations.keys(), self._model.structured_outputs.keys())
    self._converter = impl_helper.make_tensor_to_arrow_converter(output.transformed_metadata.schema)

  def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The features of each batch."""
    for batch in batches:
      yield self._converter.convert(self._model.apply_transform_model(self._tensors.ToBatchTensors(batch)))
