"""How a technique trains: the base's training with the length and rate of its own."""

from __future__ import annotations

from configs.model import EarlyStopping, Training
from configs.recipe import FineTuning


def fine_tuned(training: Training, tuning: FineTuning) -> Training:
  """The base's training config with a fine-tuning in it; nothing is held out for early stopping.

  Args:
    training: of the dense base.
    tuning: length and learning rate, and the weight decay if it is set.
  """
  update = tuning.model_dump(include={'epochs', 'steps', 'learning_rate'})
  if tuning.weight_decay is not None:
    update['weight_decay'] = tuning.weight_decay
  return training.model_copy(update=update | {'early_stopping': EarlyStopping(), 'warm_start': False})
