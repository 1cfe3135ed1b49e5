"""TFX's Trainer calls `run_fn`, for fares."""

from __future__ import annotations

import contextlib

import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer import fn_args_utils

from configs.model import MEASURED_SHARE
from models.example_files import count_examples
from models.fare_model import builder
from models.keras_compat import keras
from models.recipe_training import RecipeTraining
from models.rides import Rides, stream_rides
from models.serving import Exporter
from models.settings import Settings
from models.streaming import Stream, median_label, pieces
from models.trainer_run import checkpoints_of, measured_rows, sampled_rows, train_all


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
  """Trains the dense base on transformed rides, and every training recipe from a copy of it.

  Args:
    fn_args: TFX's arguments. `custom_config` holds the JSON of `dataset`, `features`, `model` and `training`, and
      `checkpoints`, a URI. Each recipe's SavedModel, weights, configs and report go to `model_run_dir/recipes/<name>`,
      the served one's also to `serving_model_dir`; curves and TensorBoard logs to `model_run_dir`.
  Raises:
    ValueError: a split is empty, a warm start does not fit, or a recipe can't have an effect in so few steps.
    DivergedError: the loss of the dense base became NaN; nothing is exported.
    NoEffectError: an exported model is not what its recipe promised.
  """
  settings = Settings.from_json(fn_args.custom_config)
  keras.utils.set_random_seed(settings.training.seed)
  graph = tft.TFTransformOutput(fn_args.transform_output)
  spec, embedded = graph.transformed_feature_spec(), [feature.name for feature in settings.categoricals]
  training = settings.training
  memory = training.memory_mb * 10**6
  files, eval_files = (
    [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
    for patterns in (fn_args.train_files, fn_args.eval_files)
  )
  count, eval_rides = count_examples(files), count_examples(eval_files)
  rides = stream_rides(files, spec, embedded, memory, sampled_rows(count, training))
  rows = measured_rows(eval_rides, training)
  held_out = stream_rides(eval_files, spec, embedded, int(memory * MEASURED_SHARE), rows)
  if isinstance(held_out, Stream):
    with held_out:
      held_out = held_out.sample(held_out.most, training.seed)
  with rides if isinstance(rides, Stream) else contextlib.nullcontext():
    _train(fn_args, settings, graph, rides, held_out, count, eval_rides)


def _train(
  fn_args: fn_args_utils.FnArgs,
  settings: Settings,
  graph: tft.TFTransformOutput,
  rides: Rides | Stream[Rides],
  held_out: Rides,
  train_rides: int,
  eval_rides: int,
) -> None:
  """Trains, exports and publishes; `rides` are all of so many `train_rides`, or a sample, and so are `held_out`."""
  training = RecipeTraining(
    training=settings.training,
    described=settings.to_yaml(),
    unit=settings.dataset.currency,
    build=builder(settings, next(pieces(rides)), median_label(rides)),
    examples=rides,
    held_out=held_out,
    examples_of=train_rides,
    held_out_of=eval_rides,
    exporter=Exporter(graph, settings.dataset),
    logs=fn_args.model_run_dir,
    checkpoints=checkpoints_of(fn_args),
  )
  train_all(fn_args, training)
