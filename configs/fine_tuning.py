"""How long a technique trains, and which layers it works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from configs.base import Config, PositiveFloat, PositiveInt, one_or_more

OUTPUT_LAYER = 'fare'
"""The output layer; compressed only by a recipe that names it."""

CLIP_LAYER = 'clip'
"""The custom layer in front of the dense core."""

HIDDEN = 'hidden'
"""In place of layer names: every hidden layer."""

CORE = 'core'
"""In place of layer names: every dense layer, the output too."""

GROUPS = (HIDDEN, CORE)


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
  if not names:
    raise ValueError('must name at least one layer, got an empty list.')
  return names


LayerNames = Annotated[tuple[str, ...], BeforeValidator(one_or_more), AfterValidator(_some)]
"""Names of layers; groups among them stand for theirs."""


def layer_names(layers: str | Sequence[str], hidden: Sequence[str]) -> tuple[str, ...]:
  """Layers by name, each one once.

  Args:
    layers: a group, or names of layers and groups.
    hidden: names of the hidden layers, first to last.
  """
  groups = {HIDDEN: tuple(hidden), CORE: (*hidden, OUTPUT_LAYER)}
  chosen = (layers,) if isinstance(layers, str) else layers
  return tuple(dict.fromkeys(name for part in chosen for name in groups.get(part, (part,))))


# Each union says by a tag which branch a value means, so that a mistake is told once and not once per branch. A tag is
# no key, and its angle brackets keep it out of the place that an error names.
WORD, NAMES, SPARSITIES = '<word>', '<names>', '<sparsities>'


def layers_branch(value: object) -> str:
  """Which way of naming layers a value is meant to be."""
  if value in (HIDDEN, CORE):
    return WORD
  return SPARSITIES if isinstance(value, dict) else NAMES


class FineTuning(Config):
  """Length and learning rate of one technique's training.

  Attributes:
    epochs: passes over the training split; give this or `steps`.
    steps: optimizer steps, rounded up to whole epochs where there are several.
    learning_rate: at the start; a cosine schedule takes it to zero.
    weight_decay: AdamW's; unset takes the base training's.
  """

  epochs: PositiveInt | None = 20
  steps: PositiveInt | None = None
  learning_rate: PositiveFloat = 5e-3
  weight_decay: Annotated[float, Field(ge=0)] | None = None

  @model_validator(mode='before')
  @classmethod
  def _steps_replace_the_default_epochs(cls, values: Any) -> Any:
    if isinstance(values, dict) and values.get('steps') is not None and 'epochs' not in values:
      return {**values, 'epochs': None}
    return values

  @model_validator(mode='after')
  def _one_length(self) -> FineTuning:
    if (self.epochs is None) == (self.steps is None):
      raise ValueError('give either epochs or steps, and set the other one to null.')
    return self
