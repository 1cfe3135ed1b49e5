"""The one place that knows which quantizer of Google's is installed, and under which names.

`litert-quantizer` was `ai-edge-quantizer` until 0.10, with the same API. Used are the recipe names that both have;
`dynamic_wi4_afp32` of older ones is an alias of `dynamic_wi4c_afp32`, in which each unit has a scale.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from types import ModuleType

from configs.errors import FailedError

_PACKAGES = ('litert_quantizer', 'ai_edge_quantizer')
"""The new name first: where both are installed, the old one is not maintained any more."""


class QuantizerMissingError(FailedError):
  """Neither package can be imported."""


def quantize(content: bytes, recipe: str) -> bytes:
  """What the LiteRT quantizer makes of a float32 file.

  Args:
    content: of the file, its tensors with their names.
    recipe: its own, by name.
  Raises: QuantizerMissingError: it is not installed; with the reason of the import.
  """
  package = _package()
  quantizer, recipes = (importlib.import_module(f'{package.__name__}.{name}') for name in ('quantizer', 'recipe'))
  task = quantizer.Quantizer(bytearray(content), getattr(recipes, recipe)())
  return bytes(task.quantize(enable_progress_report=False).quantized_model)


def version() -> str:
  """Which quantizer is installed, as a part of cache keys; empty where there is none."""
  for name in _PACKAGES:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      return f'{name} {importlib.metadata.version(name.replace("_", "-"))}'
  return ''


def _package() -> ModuleType:
  # Both name `np.typing` without importing it, which NumPy 1 does not forgive.
  importlib.import_module('numpy.typing')
  reasons = []
  for name in _PACKAGES:
    try:
      return importlib.import_module(name)
    except ImportError as error:
      reasons.append(str(error))
  raise QuantizerMissingError('; '.join(reasons))
