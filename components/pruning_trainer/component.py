"""TFX's Trainer, typed: what `models.run_fn` needs, instead of a free `custom_config`; and a model per recipe."""

from __future__ import annotations

import os

from tfx.components.trainer import component as trainer
from tfx.components.trainer import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, channel, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils

from components.pruning_trainer.keys import RECIPE_PREFIX, recipe_key
from components.specs import Artifacts, Properties, new_outputs, with_models
from components.user_code import of_rides, of_task
from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part
from configs.task import Task
from models.compression.records import RECIPES_FOLDER


class PruningTrainerExecutor(executor.GenericExecutor):
  """Executor of `PruningTrainer`: TFX's own, then each recipe's model into its artifact."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Trains by `run_fn`, then fills every recipe's output from the folder of its name in the model run."""
    super().Do(input_dict, output_dict, exec_properties)
    for key, [making] in models_in_the_making(output_dict).items():
      model = artifact_utils.get_single_instance(output_dict[key])
      io_utils.copy_dir(making.uri, model.uri)
      model.set_string_custom_property('recipe', key.removeprefix(RECIPE_PREFIX))


def models_in_the_making(output_dict: Artifacts) -> Artifacts:
  """The recipes' models where the training puts them, each as soon as it is proven and reported, by their output keys.

  Args: output_dict: as `Do` gets it.
  """
  recipes = os.path.join(artifact_utils.get_single_uri(output_dict['model_run']), RECIPES_FOLDER)
  making = {key: standard_artifacts.Model() for key in output_dict if key.startswith(RECIPE_PREFIX)}
  for key, model in making.items():
    model.uri = os.path.join(recipes, key.removeprefix(RECIPE_PREFIX))
  return {key: [model] for key, model in making.items()}


class PruningTrainer(trainer.Trainer):
  """Trains the dense base once, then each training recipe from a copy of it, and proves that each had its effect.

  Of fares, by `models.run_fn.run_fn`; of any Keras model where a `task` is given, by
  `models.tasks.run_fn.run_fn`. Outputs: as TFX's Trainer `model`, which is the served recipe's, and `model_run`,
  with the curves and the TensorBoard logs; and one Model per recipe, `recipe_<name>`, with the SavedModel under
  `Format-Serving` and the training report under `training_report`. So later steps take, cache and trace each recipe by
  itself. `models.recipe_training.RecipeTraining` trains whatever keeps to `models.protocols`.

  ```
  trainer = PruningTrainer(
      examples=features.outputs['transformed_examples'],
      transform_graph=features.outputs['transform_graph'],
      dataset=config.dataset, features=config.features, model=config.model, training=config.training,
      checkpoints='out/checkpoints',
      code_version=step_version(PruningTrainer))
  ```

  Args:
    examples: transformed ones; the train and eval splits are used.
    training: the base's training, the recipes, and which one is served.
    checkpoints: URI of a folder where an unfinished training is kept, so that the next run goes on from there.
    task: the user's own model; in place of `dataset`, `features` and `model`.
    transform_graph: the fitted Transform graph; a task may have none, and files that take the model's own inputs.
    dataset: of the examples; `DATASET` of it is kept beside the model.
    features: which features are embedded.
    model: the dense layers.
    code_version: part of the cache key; of a task it is taken of its code.
    base_model: the model whose weights the base starts from; the recipes always start from the base.
  """

  USER_FN = 'models.run_fn.run_fn'
  """What the executor calls."""
  TASK_FN = 'models.tasks.run_fn.run_fn'
  """The same of a task."""
  DATASET = Part.all_but(Dataset, 'path', 'rules.max_quarantined_share')
  """What `USER_FN` reads: all that decides which examples become which columns is kept beside the model, as
  predictions for others go by it."""
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PruningTrainerExecutor)

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    training: Training,
    checkpoints: str,
    task: Task | None = None,
    transform_graph: channel.BaseChannel | None = None,
    dataset: Dataset | None = None,
    features: Features | None = None,
    model: Model | None = None,
    code_version: str | None = None,
    base_model: channel.BaseChannel | None = None,
  ) -> None:
    config: dict[str, str]
    if task is None:
      dataset, features, model, version = of_rides(dataset, features, model, code_version)
      config = {
        'dataset': self.DATASET.dump(dataset),
        'features': features.model_dump_json(),
        'model': model.model_dump_json(),
      }
    else:
      version = of_task(task, training, code_version, dataset=dataset, features=features, model=model)
      config = {'task': task.model_dump_json()}
    config |= {'training': training.model_dump_json(), 'checkpoints': checkpoints, 'code_version': version}
    recipes = [recipe_key(recipe.name) for recipe in training.recipes]
    spec_class = with_models(standard_component_specs.TrainerSpec, 'OUTPUTS', recipes)
    spec = spec_class(
      examples=examples,
      transform_graph=transform_graph,
      base_model=base_model,
      run_fn=self.USER_FN if task is None else self.TASK_FN,
      train_args=trainer_pb2.TrainArgs(),
      eval_args=trainer_pb2.EvalArgs(),
      custom_config=json_utils.dumps(config),
      **new_outputs(spec_class),
    )
    # Not TFX's own constructor, which makes a spec of two outputs.
    base_component.BaseComponent.__init__(self, spec=spec)
