"""Resolves artifacts, fits, writes graph, Examples and report."""

from __future__ import annotations

import json
import os
import posixpath
from typing import Any

import apache_beam as beam
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.dimensionality_reduction import spec as keys
from components.dimensionality_reduction.beam_basis import beam_basis
from components.dimensionality_reduction.reduced_examples import Reduce
from components.dimensionality_reduction.reduced_graph import write_reduced_graph
from components.dimensionality_reduction.training_rides import batches, read_training_rides
from components.feature_engineering.records import ReadBatches, WriteShards, remove_parts
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import load_part
from configs.reduction import PcaEngine, Reduction
from models.reduction import pictures, saving
from models.reduction.bases import Basis, incremental_basis
from models.reduction.fitted import Fitted
from models.reduction.fitting import fit
from models.reduction.preprocessing import ReducedFeatures
from transforms import names
from transforms.catalogue import catalogue, categoricals
from transforms.fitted_constants import read_constants


class DimensionalityReductionExecutor(base_beam_executor.BaseBeamExecutor):
  """Executor of `DimensionalityReduction`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Raises `ReductionError` where the rides don't allow the reduction."""
    reduction = Reduction.model_validate_json(exec_properties[keys.REDUCTION_KEY])
    dataset = load_part(Dataset, exec_properties[keys.DATASET_KEY])
    features = Features.model_validate_json(exec_properties[keys.FEATURES_KEY])
    slices = Slices.model_validate_json(exec_properties[keys.SLICES_KEY])
    clip = json.loads(exec_properties[keys.CLIP_KEY])
    graph = artifact_utils.get_single_uri(input_dict[keys.TRANSFORM_GRAPH_KEY])
    examples = artifact_utils.get_single_instance(input_dict[keys.TRANSFORMED_EXAMPLES_KEY])
    fitted = self._fit(reduction, dataset, features, clip, graph, examples)
    constants = read_constants(os.path.join(graph, tft.TFTransformOutput.TRANSFORM_FN_DIR))
    reduced = artifact_utils.get_single_uri(output_dict[keys.REDUCED_GRAPH_KEY])
    write_reduced_graph(ReducedFeatures(dataset, features, slices, constants, fitted), graph, reduced)
    self._reduce(examples, artifact_utils.get_single_instance(output_dict[keys.REDUCED_EXAMPLES_KEY]), fitted, graph)
    report = artifact_utils.get_single_instance(output_dict[keys.REPORT_KEY])
    saving.save(fitted, report.uri)
    pictures.draw(fitted, report.uri, exec_properties[keys.CURRENCY_KEY])
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
    files = _files(examples, 'train')
    output = tft.TFTransformOutput(graph)
    spec = output.transformed_feature_spec()
    sizes = (
      {found.name: found.size for found in categoricals(dataset, features)} if reduction.takes_categoricals else {}
    )
    rides = read_training_rides(files, spec, list(sizes), reduction.sample, reduction.seed)
    basis: Basis | None = None
    if reduction.engine is PcaEngine.INCREMENTAL:
      basis = incremental_basis((batch[names.NUMERIC] for batch in batches(files, spec, [names.NUMERIC])), clip)
    elif reduction.engine is PcaEngine.TFT:
      schema = output.transformed_metadata.schema
      basis = beam_basis(self._make_beam_pipeline(), files, schema, clip, rides.numeric.shape[1])
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
    with self._make_beam_pipeline() as pipeline:
      for split in artifact_utils.decode_split_names(examples.split_names):
        files = _files(examples, split)
        paths = pipeline | f'Files[{split}]' >> beam.Create(files, reshuffle=len(files) > 1)
        rides = paths | f'Read[{split}]' >> beam.ParDo(ReadBatches(schema))
        [uri] = artifact_utils.get_split_uris([reduced], split)
        _ = rides | f'Reduce[{split}]' >> beam.ParDo(Reduce(fitted)) | f'Write[{split}]' >> WriteShards(uri)
    remove_parts(
      uri
      for split in artifact_utils.decode_split_names(examples.split_names)
      for uri in artifact_utils.get_split_uris([reduced], split)
    )


def _files(examples: types.Artifact, split: str) -> list[str]:
  [uri] = artifact_utils.get_split_uris([examples], split)
  return sorted(fileio.glob(posixpath.join(uri, '*')))
