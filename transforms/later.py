"""TensorFlow, imported when it is first used: what features are called and what they mean needs none of it."""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  import tensorflow as tf
else:

  class _Later(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
      found = getattr(importlib.import_module(self.__name__), name)
      setattr(self, name, found)
      return found

  tf = _Later('tensorflow')

__all__ = ['tf']
