"""TFX's rewriter interface around the conversion: what it validates, it validates on the written file."""

from __future__ import annotations

from tfx.components.trainer.rewriting import rewriter
from tfx.dsl.io import fileio

from configs.compression import Scheme
from configs.recipe import Recipe
from models.lite.inspection import LayerFile
from models.lite.variants import Variants
from models.versions import is_saved_model


class LiteRewriter(rewriter.BaseRewriter):
  """Writes one variant.

  Attributes:
    layers: as the written file holds them, once it is validated.
    difference: from the float model, once it is validated.

  Args:
    variants: converts.
    recipe: of the model.
    scheme: of the file.
  """

  def __init__(self, variants: Variants, recipe: Recipe, scheme: Scheme) -> None:
    self._variants = variants
    self._recipe = recipe
    self._scheme = scheme
    self._saved_model = ''
    self.layers: list[LayerFile] = []
    self.difference = 0.0

  @property
  def name(self) -> str:
    """`<recipe>.<scheme>`."""
    return f'{self._recipe.name}.{self._scheme.name}'

  def _pre_rewrite_validate(self, original_model: rewriter.ModelDescription) -> None:
    if original_model.model_type is not rewriter.ModelType.SAVED_MODEL:
      raise ValueError(f'A lite file is made of a SavedModel, got {original_model.model_type}.')
    if not is_saved_model(original_model.path):
      raise ValueError(f'There is no SavedModel at {original_model.path}.')
    self._saved_model = original_model.path

  def _rewrite(self, original_model: rewriter.ModelDescription, rewritten_model: rewriter.ModelDescription) -> None:
    content = self._variants.write(self._recipe, self._scheme, original_model.path)
    with fileio.open(rewritten_model.path, 'wb') as file:
      file.write(content)

  def _post_rewrite_validate(self, rewritten_model: rewriter.ModelDescription) -> None:
    with fileio.open(rewritten_model.path, 'rb') as file:
      content = file.read()
    self.layers, self.difference = self._variants.check(content, self._recipe, self._scheme, self._saved_model)
