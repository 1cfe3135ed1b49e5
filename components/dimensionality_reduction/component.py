"""Between the features and the training: the same graph and Examples with fewer model inputs."""

from __future__ import annotations

import json
import os

import apache_beam as beam
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from components.artifacts import ReductionReport
from components.dimensionality_reduction import reduction_io
from components.dimensionality_reduction.reduction_io import Reduce, read_training_rides, write_reduced_graph
from components.feature_engineering.example_io import ReadBatches, WriteShards, remove_parts
from components.specs import Artifacts, Properties, channels, new_outputs, parameters, split_files
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import Part, load_part
from configs.reduction import PcaEngine, Reduction
from models.reduction import fitted as reduction_fitted
from models.reduction.fitted import Fitted
from models.reduction.fitting import fit
from models.reduction.in_graph import ReducedFeatures
from models.reduction.projections import Basis, incremental_basis
from transforms import names
from transforms.catalogue import categoricals
from transforms.constants import read_constants
from transforms.engineering import catalogue


class DimensionalityReductionSpec(component_spec.ComponentSpec):
  """A Transform graph and its Examples to others with fewer model inputs."""

  PARAMETERS = parameters('reduction', 'dataset', 'features', 'slices', 'clip', 'currency', 'code_version')
  INPUTS = channels(transform_graph=standard_artifacts.TransformGraph, transformed_examples=standard_artifacts.Examples)
  OUTPUTS = channels(
    reduced_graph=standard_artifacts.TransformGraph,
    reduced_examples=standard_artifacts.Examples,
    report=ReductionReport,
  )


class DimensionalityReductionExecutor(base_beam_executor.BaseBeamExecutor):
  """Executor of `DimensionalityReduction`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Raises `ReductionError` where the rides don't allow the reduction."""
    reduction = Reduction.model_validate_json(exec_properties['reduction'])
    dataset = load_part(Dataset, exec_properties['dataset'])
    features = Features.model_validate_json(exec_properties['features'])
    slices = Slices.model_validate_json(exec_properties['slices'])
    clip = json.loads(exec_properties['clip'])
    graph = artifact_utils.get_single_uri(input_dict['transform_graph'])
    examples = artifact_utils.get_single_instance(input_dict['transformed_examples'])
    fitted = self._fit(reduction, dataset, features, clip, graph, examples)
    constants = read_constants(os.path.join(graph, tft.TFTransformOutput.TRANSFORM_FN_DIR))
    reduced = artifact_utils.get_single_uri(output_dict['reduced_graph'])
    write_reduced_graph(ReducedFeatures(dataset, features, slices, constants, fitted), graph, reduced)
    self._reduce(examples, artifact_utils.get_single_instance(output_dict['reduced_examples']), fitted, graph)
    report = artifact_utils.get_single_instance(output_dict['report'])
    reduction_fitted.save(fitted, report.uri)
    reduction_fitted.save_pictures(fitted, report.uri, exec_properties['currency'])
    report.set_int_custom_property('features', len(fitted.names))
    report.set_int_custom_property('inputs', len(fitted.outputs))

  def _fit(
    self,
    reduction: Reduction,
    dataset: Dataset,
    features: Features,
    clip: float | None,
    graph: str,
    examples: types.Artifact,
  ) -> Fitted:
    files = split_files([examples], 'train')
    output = tft.TFTransformOutput(graph)
    spec = output.transformed_feature_spec()
    taken = categoricals(dataset, features) if reduction.takes_categoricals else ()
    sizes = {column.name: column.size for column in taken}
    rides = read_training_rides(files, spec, list(sizes), reduction.sample, reduction.seed)
    basis: Basis | None = None
    if reduction.engine is PcaEngine.INCREMENTAL:
      batches = reduction_io.batches(files, spec, [names.NUMERIC])
      basis = incremental_basis((batch[names.NUMERIC] for batch in batches), clip)
    elif reduction.engine is PcaEngine.TFT:
      schema = output.transformed_metadata.schema
      basis = reduction_io.beam_basis(self._make_beam_pipeline(), files, schema, clip, rides.numeric.shape[1])
    return fit(
      reduction,
      [feature.name for feature in catalogue(dataset, features)],
      rides.numeric,
      rides.fares,
      clip=clip,
      categories=rides.categories,
      sizes=sizes,
      read=rides.read,
      basis=basis,
    )

  def _reduce(self, examples: types.Artifact, reduced: types.Artifact, fitted: Fitted, graph: str) -> None:
    """Every split, batch by batch."""
    reduced.split_names = examples.split_names
    schema = tft.TFTransformOutput(graph).transformed_metadata.schema
    splits = artifact_utils.decode_split_names(examples.split_names)
    uris = {split: artifact_utils.get_split_uri([reduced], split) for split in splits}
    with self._make_beam_pipeline() as pipeline:
      for split, uri in uris.items():
        files = split_files([examples], split)
        paths = pipeline | f'Files[{split}]' >> beam.Create(files, reshuffle=len(files) > 1)
        rides = paths | f'Read[{split}]' >> beam.ParDo(ReadBatches(schema))
        _ = rides | f'Reduce[{split}]' >> beam.ParDo(Reduce(fitted)) | f'Write[{split}]' >> WriteShards(uri)
    remove_parts(uris.values())


class DimensionalityReduction(base_beam_component.BaseBeamComponent):
  """Fits a reduction on the transformed training split, and puts it into the Transform graph.

  Outputs: `reduced_graph`, a Transform graph like the one that came in whose `numeric` is the reduced vector, so that
  training, TFMA, serving and the lite model take it as they took the other; `reduced_examples`, the same of the
  Examples; `report`, the fitted arrays, data and pictures.

  ```
  reduction = DimensionalityReduction(
      transform_graph=features.outputs['transform_graph'],
      transformed_examples=features.outputs['transformed_examples'],
      reduction=Reduction(method='pca', components=12),
      dataset=config.dataset, features=config.features, slices=config.evaluation.slices,
      clip=config.model.clip,
      code_version=step_version(DimensionalityReduction))
  ```

  Args:
    transform_graph: the fitted features.
    transformed_examples: their `train` split is fitted on; every split is reduced.
    reduction: the method; not none.
    dataset, features, slices: what the features were made by.
    clip: what the model clips its numeric inputs to, in standard deviations.
    code_version: part of the cache key.
  """

  SPEC_CLASS = DimensionalityReductionSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(DimensionalityReductionExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'city')
  """What the executor reads."""

  def __init__(
    self,
    *,
    transform_graph: channel.BaseChannel,
    transformed_examples: channel.BaseChannel,
    reduction: Reduction,
    dataset: Dataset,
    features: Features,
    slices: Slices,
    clip: float | None,
    code_version: str,
  ) -> None:
    spec = DimensionalityReductionSpec(
      transform_graph=transform_graph,
      transformed_examples=transformed_examples,
      reduction=reduction.model_dump_json(),
      dataset=self.DATASET.dump(dataset),
      features=features.model_dump_json(),
      slices=slices.model_dump_json(),
      clip=json.dumps(clip),
      currency=dataset.currency,
      code_version=code_version,
      **new_outputs(DimensionalityReductionSpec),
    )
    super().__init__(spec=spec)
