"""TFX's Trainer, typed: what `models.run_fn` needs, instead of a free `custom_config`."""

from __future__ import annotations

from tfx.components.trainer.component import Trainer
from tfx.types import channel

from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training
from configs.parts import Part


class PruningTrainer(Trainer):
  """Trains the dense base once, then each training recipe from a copy of it, and proves that each had its effect.

  It has no executor of its own, as Vertex launches TFX's fixed one; all of the work is in `models.run_fn.run_fn`.
  Outputs as TFX's Trainer: `model`, which is the served recipe's, and `model_run`, which holds every recipe's model
  under `recipes/<name>`, the curves and the TensorBoard logs. `RecipeModels` makes a Model artifact of each.

  Args:
    examples: transformed rides; the train and eval splits are used.
    transform_graph: the fitted Transform graph.
    dataset: of the rides; `DATASET` of it is kept beside the model.
    features: which features are embedded.
    model: the dense layers.
    training: the base's training, the recipes, and which one is served.
    checkpoints: URI of a folder where an unfinished training is kept, so that the next run goes on from there.
    code_version: part of the cache key.
    base_model: the model whose weights the base starts from; the recipes always start from the base.
  """

  USER_FN = 'models.run_fn.run_fn'
  """What TFX's executor calls."""
  DATASET = Part.all_but(Dataset, 'path', 'rules.max_quarantined_share')
  """What `USER_FN` reads: all that decides which rides become which columns is kept beside the model, as predictions
  for other rides go by it."""

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    transform_graph: channel.BaseChannel,
    dataset: Dataset,
    features: Features,
    model: Model,
    training: Training,
    checkpoints: str,
    code_version: str,
    base_model: channel.BaseChannel | None = None,
  ) -> None:
    super().__init__(
      examples=examples,
      transform_graph=transform_graph,
      base_model=base_model,
      run_fn=self.USER_FN,
      custom_config={
        'dataset': self.DATASET.dump(dataset),
        'features': features.model_dump_json(),
        'model': model.model_dump_json(),
        'training': training.model_dump_json(),
        'checkpoints': checkpoints,
        'code_version': code_version,
      },
    )
