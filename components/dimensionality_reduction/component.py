"""Between the features and the training: the same graph and Examples with fewer model inputs."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from components.artifacts import ReductionReport
from components.dimensionality_reduction import reduction_io
from components.dimensionality_reduction.reduction_io import (
  Reduce,
  ReducedColumn,
  read_training_examples,
  write_reduced_graph,
)
from components.feature_engineering.example_io import ReadBatches, WriteShards, remove_parts
from components.specs import Artifacts, Properties, channels, new_outputs, optional_parameters, parameters, split_files
from configs.dataset import LABEL, Dataset
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

  PARAMETERS = {
    **parameters('reduction', 'clip', 'code_version'),
    # Of rides, or of any other column.
    **optional_parameters('dataset', 'features', 'slices', 'currency', 'column', 'label'),
  }
  INPUTS = channels(transform_graph=standard_artifacts.TransformGraph, transformed_examples=standard_artifacts.Examples)
  OUTPUTS = channels(
    reduced_graph=standard_artifacts.TransformGraph,
    reduced_examples=standard_artifacts.Examples,
    report=ReductionReport,
  )


@dataclasses.dataclass(frozen=True)
class _Vector:
  """What is reduced: the features of rides.

  Attributes:
    column: its name in the transformed examples.
    label: name of what supervised methods follow.
    pictured: what its pictures need besides, as `reduction_fitted.save_pictures` takes it.
  """

  properties: Properties
  graph: str
  column: str = names.NUMERIC
  label: str = LABEL

  @property
  def pictured(self) -> dict[str, Any]:
    return {'currency': self.properties['currency']}

  @property
  def names(self) -> list[str]:
    """Of its features."""
    return [feature.name for feature in catalogue(self._dataset, self._features)]

  @property
  def sizes(self) -> Mapping[str, int]:
    """Numbers of values by column that may be reduced along with it."""
    return {column.name: column.size for column in categoricals(self._dataset, self._features)}

  def reduced(self, fitted: Fitted) -> ReducedFeatures | ReducedColumn:
    """The `preprocessing_fn` of the reduced graph."""
    slices = Slices.model_validate_json(self.properties['slices'])
    constants = read_constants(os.path.join(self.graph, tft.TFTransformOutput.TRANSFORM_FN_DIR))
    return ReducedFeatures(self._dataset, self._features, slices, constants, fitted)

  @property
  def _dataset(self) -> Dataset:
    return load_part(Dataset, self.properties['dataset'])

  @property
  def _features(self) -> Features:
    return Features.model_validate_json(self.properties['features'])


class _OfColumn(_Vector):
  """A column of anything else."""

  @property
  def pictured(self) -> dict[str, Any]:
    return {'currency': '', 'label': self.label, 'shape': self._shape}

  @property
  def names(self) -> list[str]:
    return ['_'.join([self.column, *map(str, place)]) for place in np.ndindex(*self._shape)]

  @property
  def sizes(self) -> Mapping[str, int]:
    return {}

  def reduced(self, fitted: Fitted) -> ReducedColumn:
    return ReducedColumn(self.graph, self.column, fitted)

  @property
  def _shape(self) -> tuple[int, ...]:
    """Of one example's vector."""
    return tuple(tft.TFTransformOutput(self.graph).transformed_feature_spec()[self.column].shape)


class DimensionalityReductionExecutor(base_beam_executor.BaseBeamExecutor):
  """Executor of `DimensionalityReduction`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Raises `ReductionError` where the examples don't allow the reduction."""
    reduction = Reduction.model_validate_json(exec_properties['reduction'])
    graph = artifact_utils.get_single_uri(input_dict['transform_graph'])
    column = exec_properties.get('column')
    vector = (
      _OfColumn(exec_properties, graph, column, exec_properties['label']) if column else _Vector(exec_properties, graph)
    )
    examples = artifact_utils.get_single_instance(input_dict['transformed_examples'])
    fitted = self._fit(reduction, vector, json.loads(exec_properties['clip']), examples)
    write_reduced_graph(vector.reduced(fitted), graph, artifact_utils.get_single_uri(output_dict['reduced_graph']))
    self._reduce(examples, artifact_utils.get_single_instance(output_dict['reduced_examples']), fitted, vector)
    report = artifact_utils.get_single_instance(output_dict['report'])
    reduction_fitted.save(fitted, report.uri)
    reduction_fitted.save_pictures(fitted, report.uri, **vector.pictured)
    report.set_int_custom_property('features', len(fitted.names))
    report.set_int_custom_property('inputs', len(fitted.outputs))

  def _fit(self, reduction: Reduction, vector: _Vector, clip: float | None, examples: types.Artifact) -> Fitted:
    files = split_files([examples], 'train')
    output = tft.TFTransformOutput(vector.graph)
    spec = output.transformed_feature_spec()
    sizes = vector.sizes if reduction.takes_categoricals else {}
    drawn = read_training_examples(
      files, spec, vector.column, vector.label, list(sizes), reduction.sample, reduction.seed
    )
    width = drawn.numeric.shape[1]
    basis: Basis | None = None
    if reduction.engine is PcaEngine.INCREMENTAL:
      batches = reduction_io.batches(files, spec, [vector.column])
      basis = incremental_basis((batch[vector.column].reshape(-1, width) for batch in batches), clip)
    elif reduction.engine is PcaEngine.TFT:
      schema = output.transformed_metadata.schema
      basis = reduction_io.beam_basis(self._make_beam_pipeline(), files, schema, vector.column, clip, width)
    return fit(
      reduction,
      vector.names,
      drawn.numeric,
      drawn.labels,
      clip=clip,
      categories=drawn.categories,
      sizes=sizes,
      read=drawn.read,
      basis=basis,
    )

  def _reduce(self, examples: types.Artifact, reduced: types.Artifact, fitted: Fitted, vector: _Vector) -> None:
    """Every split, batch by batch."""
    reduced.split_names = examples.split_names
    schema = tft.TFTransformOutput(vector.graph).transformed_metadata.schema
    splits = artifact_utils.decode_split_names(examples.split_names)
    uris = {split: artifact_utils.get_split_uri([reduced], split) for split in splits}
    with self._make_beam_pipeline() as pipeline:
      for split, uri in uris.items():
        files = split_files([examples], split)
        paths = pipeline | f'Files[{split}]' >> beam.Create(files, reshuffle=len(files) > 1)
        batches = paths | f'Read[{split}]' >> beam.ParDo(ReadBatches(schema))
        reduce = beam.ParDo(Reduce(fitted, vector.column))
        _ = batches | f'Reduce[{split}]' >> reduce | f'Write[{split}]' >> WriteShards(uri)
    remove_parts(uris.values())


class DimensionalityReduction(base_beam_component.BaseBeamComponent):
  """Fits a reduction on the transformed training split, and puts it into the Transform graph.

  Outputs: `reduced_graph`, a Transform graph like the one that came in in which the reduced vector stands in the place
  of the full one, so that training, TFMA, serving and the lite model take it as they took the other;
  `reduced_examples`, the same of the Examples; `report`, the fitted arrays, data and pictures.

  Of rides it reduces the numeric features:

  ```
  reduction = DimensionalityReduction(
      transform_graph=features.outputs['transform_graph'],
      transformed_examples=features.outputs['transformed_examples'],
      reduction=Reduction(method='pca', components=12),
      dataset=config.dataset, features=config.features, slices=config.evaluation.slices,
      clip=config.model.clip,
      code_version=step_version(DimensionalityReduction))
  ```

  And of any other Transform graph a `column` of float32 [batch, ...], which becomes [batch, k].

  Args:
    transform_graph: the fitted features.
    transformed_examples: their `train` split is fitted on; every split is reduced.
    reduction: the method; not none.
    dataset, features, slices: what the features of rides were made by.
    column: of the transformed examples, where they are no rides. One that is a picture has its loadings drawn as
      pictures.
    label: the column that supervised methods follow, and that points are coloured by.
    clip: what the model clips its numeric inputs to, in standard deviations.
    code_version: part of the cache key.
  Raises: ValueError: neither rides nor a column with a label, or both.
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
    dataset: Dataset | None = None,
    features: Features | None = None,
    slices: Slices | None = None,
    column: str | None = None,
    label: str | None = None,
    clip: float | None = None,
    code_version: str = '',
  ) -> None:
    if dataset and features and slices and not (column or label):
      source = {
        'dataset': self.DATASET.dump(dataset),
        'features': features.model_dump_json(),
        'slices': slices.model_dump_json(),
        'currency': dataset.currency,
      }
    elif column and label and not (dataset or features or slices):
      source = {'column': column, 'label': label}
      if reduction.takes_categoricals:
        raise ValueError('reduction.categoricals must be false with a column: only rides have some.')
    else:
      raise ValueError(
        'DimensionalityReduction takes either dataset, features and slices of rides, or column and label.'
      )
    spec = DimensionalityReductionSpec(
      transform_graph=transform_graph,
      transformed_examples=transformed_examples,
      reduction=reduction.model_dump_json(),
      clip=json.dumps(clip),
      code_version=code_version,
      **source,
      **new_outputs(DimensionalityReductionSpec),
    )
    super().__init__(spec=spec)
