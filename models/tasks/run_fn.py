"""TFX's Trainer calls `run_fn` for a user's own model."""

from __future__ import annotations

import contextlib

import tensorflow as tf
import yaml
from tfx.components.trainer import fn_args_utils

from configs.model import MEASURED_SHARE, Training
from configs.task import Task, TaskKind
from models.compiled_steps import CrossEntropy, TrainingLoss
from models.example_files import count_examples
from models.recipe_training import RecipeTraining
from models.serving import SharingExporter
from models.streaming import Stream
from models.task_metrics import metric_of
from models.tasks.building import builder
from models.tasks.examples import TaskInputs
from models.tasks.serving import TaskServing
from models.trainer_run import checkpoints_of, measured_rows, sampled_rows, train_all


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
  """Trains a user's model on its examples, and every training recipe from a copy of it.

  Args: fn_args: TFX's; `custom_config` holds the JSON of `task` and `training`, and `checkpoints`, a URI. What is
    written is as by `models.run_fn.run_fn`.
  Raises:
    ModelError: the model can't be compressed, or the examples do not fit it.
    ValueError, DivergedError, NoEffectError: as `models.run_fn.run_fn`.
  """
  task = Task.model_validate_json(fn_args.custom_config['task'])
  training = Training.model_validate_json(fn_args.custom_config['training'])
  build = builder(task, training.seed)
  inputs = TaskInputs(task, build(), fn_args.transform_output or None)
  memory = training.memory_mb * 10**6
  files, eval_files = (
    [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
    for patterns in (fn_args.train_files, fn_args.eval_files)
  )
  count, held_out_of = count_examples(files), count_examples(eval_files)
  examples = inputs.read(files, 'train', memory, sampled_rows(count, training))
  rows = measured_rows(held_out_of, training)
  held_out = inputs.read(eval_files, 'eval', int(memory * MEASURED_SHARE), rows)
  if isinstance(held_out, Stream):
    with held_out:
      held_out = held_out.sample(held_out.most, training.seed)
  with examples if isinstance(examples, Stream) else contextlib.nullcontext():
    train_all(
      fn_args,
      RecipeTraining(
        training=training,
        described=yaml.safe_dump(
          {'task': task.model_dump(mode='json'), 'training': training.model_dump(mode='json')}, sort_keys=False
        ),
        unit=task.unit,
        build=build,
        examples=examples,
        held_out=held_out,
        examples_of=count,
        held_out_of=held_out_of,
        exporter=SharingExporter(lambda model: TaskServing(model, inputs)),
        logs=fn_args.model_run_dir,
        checkpoints=checkpoints_of(fn_args),
        objective=CrossEntropy if task.kind is TaskKind.CLASSIFICATION else TrainingLoss,
        metric=metric_of(task),
      ),
    )
