"""Packages whose `__init__` runs when a name of theirs is asked for, and not when a module in them is imported.

`tfx.components` and `kfp` import all that they have as soon as any module in them is imported: a step that needs one
executor waits for keras_tuner and Keras 3, docker and kubernetes, a second of CPU and 2,000 modules in every process.
In TFX 1.21 the first also gives TFMA names that it lacks; who needs them asks it for `Evaluator` by name.
TFMA itself is not lazy: its modules import each other in circles, which hold in the order of its `__init__` alone.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import types
from collections.abc import Sequence
from typing import Any

PACKAGES = ('kfp', 'tfx.components')
"""What each step in the cloud imports a module of."""

_OWN = ('__version__', '__all__')
"""Names with two underscores that an `__init__` gives; others are asked of any module by who looks through all."""


def install() -> None:
  """Makes `PACKAGES` lazy in this process; one that is imported already stays as it is."""
  if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
  def find_spec(
    self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
  ) -> importlib.machinery.ModuleSpec | None:
    """The spec that Python itself finds, with a loader that waits."""
    if name not in PACKAGES:
      return None
    spec = importlib.machinery.PathFinder.find_spec(name, path, target)
    if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
      spec.loader = _LazyLoader(spec.loader.name, spec.loader.path)
    return spec


class _LazyLoader(importlib.machinery.SourceFileLoader):
  def exec_module(self, module: types.ModuleType) -> None:
    """Leaves the module empty but for a `__getattr__` that runs its `__init__`, once; a failed one runs again."""
    lock, running = threading.RLock(), False

    def ask(name: str) -> Any:
      nonlocal running
      missing = AttributeError(f'module {module.__name__!r} has no attribute {name!r}')
      if name.startswith('__') and name not in _OWN:
        raise missing
      if importlib.util.find_spec(f'{module.__name__}.{name}'):
        return importlib.import_module(f'{module.__name__}.{name}')
      with lock:
        if running:  # What `__init__` imports asks for what it does not have yet.
          raise missing
        if vars(module).get('__getattr__') is ask:
          running = True
          try:
            super(_LazyLoader, self).exec_module(module)
          finally:
            running = False
          if vars(module).get('__getattr__') is ask:
            del module.__getattr__  # type: ignore[attr-defined]
      return getattr(module, name)

    module.__getattr__ = ask  # type: ignore[method-assign]
