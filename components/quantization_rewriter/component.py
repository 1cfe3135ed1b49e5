"""Writes lite files; what each of them is worth is the gate's business."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel

from components.artifacts import LiteVariants
from components.pruning_trainer import RECIPE_PREFIX
from components.quantization_rewriter.executor import QuantizationRewriterExecutor
from components.quantization_rewriter.spec import QuantizationRewriterSpec, spec_class
from configs.compression import Scheme
from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part


class QuantizationRewriter(base_component.BaseComponent):
  """One TFLite file per training recipe and conversion scheme, each validated after writing.

  Output: `variants`, with the files and `variants.json`; a variant that can't be made has a reason there instead of a
  file.

  Args:
    examples: raw rides; files are validated with the eval split.
    transformed_examples: of the train split, for calibration.
    transform_graph: the fitted Transform graph, the front part of every file.
    models: a Model channel per recipe name.
    dataset, features, model, training: what the models were made by.
    schemes: conversion schemes.
    cache: URI of a folder with finished variants; a changed list of schemes converts only what is new.
    code_version: part of the cache key.
  """

  SPEC_CLASS = QuantizationRewriterSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(QuantizationRewriterExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.meaning')
  """What the executor reads: the inputs of the files."""

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    transformed_examples: channel.BaseChannel,
    transform_graph: channel.BaseChannel,
    models: Mapping[str, channel.BaseChannel],
    dataset: Dataset,
    features: Features,
    model: Model,
    training: Training,
    schemes: Sequence[Scheme],
    cache: str,
    code_version: str,
  ) -> None:
    spec = spec_class(list(models))(
      examples=examples,
      transformed_examples=transformed_examples,
      transform_graph=transform_graph,
      dataset=self.DATASET.dump(dataset),
      features=features.model_dump_json(),
      fare_model=model.model_dump_json(),
      training=training.model_dump_json(),
      schemes=json.dumps([scheme.model_dump(mode='json') for scheme in schemes]),
      cache=cache,
      code_version=code_version,
      variants=channel.Channel(type=LiteVariants),
      **{RECIPE_PREFIX + name: model for name, model in models.items()},
    )
    super().__init__(spec=spec)
