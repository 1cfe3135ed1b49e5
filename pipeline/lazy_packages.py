"""Packages whose `__init__` runs when a name of theirs is asked for, and not when a module in them is imported.

`tfx.components` and `kfp` import all that they have as soon as any module in them is imported: who needs one executor
waits for keras_tuner and Keras 3, docker and kubernetes, a second of CPU and 2,000 modules in every process. In TFX
1.21 the first also gives TFMA names that it lacks; who needs them asks it for `Evaluator` by name.

TFX's own types import protos of TFMA and, in TFX 1.16, of TFDV, whose `__init__` takes Beam and another second. Their
other modules import each other in circles, which hold in the order of `__init__` alone; so that runs before the first
of these.

Others are imported by a framework that takes nothing of them in a process of this project:
- tensorflow-model-optimization looks for a module of Keras 2 in Keras 3, which brings sklearn and matplotlib;
- Beam's source and sink of BigQuery import its client, which brings widgets for notebooks and IPython;
- TFDV imports two classes of IPython, whose `__init__` brings its terminal;
- TFX's local launcher imports docker for steps in containers.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

PACKAGES: dict[str, tuple[str, ...] | None] = {
  'IPython': None,
  'docker': (),
  'google.cloud.bigquery': (),
  'keras': ('engine',),
  'kfp': None,
  'tensorflow_data_validation': ('anomalies',),
  'tensorflow_model_analysis': ('constants', 'proto', 'sdk', 'version'),
  'tfx.components': None,
}
"""What is imported and seldom used, and which of its modules leave `__init__` alone; None for all."""

_SHELL = ('IPython', 'get_ipython')
"""What Beam asks before each pipeline for. While IPython waits, nobody can have begun a shell."""

_OWN = ('__version__', '__all__')
"""Names with two underscores that an `__init__` gives; others are asked of any module by who looks through all."""


def install() -> None:
  """Makes `PACKAGES` lazy in this process; one that is imported already stays as it is."""
  # TFMA's protos need this one, and leave it to the other modules of its `__init__` to import it.
  importlib.import_module('google.protobuf.wrappers_pb2')
  if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
  def find_spec(
    self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
  ) -> importlib.machinery.ModuleSpec | None:
    """The spec that Python itself finds, with a loader that waits; in a package that did not wait, none."""
    if name in PACKAGES:
      spec = importlib.machinery.PathFinder.find_spec(name, path, target)
      if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        spec.loader = _LazyLoader(spec.loader.name, spec.loader.path)
      return spec
    package = next((one for one in PACKAGES if name.startswith(f'{one}.')), None)
    if package and not _leaves_init(package, name[len(package) + 1 :]):
      waiting = vars(sys.modules[package]).get('__getattr__')
      if isinstance(waiting, _Waiting):
        waiting.run_init()
        made = sys.modules.get(name)
        if made is not None and made.__spec__ is not None:
          made.__spec__.loader = _Made(made, made.__spec__.loader)  # Python takes this very spec, and would load anew.
          return made.__spec__
    return None


def _leaves_init(package: str, module: str) -> bool:
  light = PACKAGES[package]
  return light is None or module.partition('.')[0] in light


class _Made(importlib.abc.Loader):
  """Gives a module that is there already, since `__init__` has imported it, and takes itself away."""

  def __init__(self, module: types.ModuleType, loader: Any) -> None:
    self._module, self._loader = module, loader

  def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
    return self._module

  def exec_module(self, module: types.ModuleType) -> None:
    assert module.__spec__ is not None
    module.__spec__.loader = self._loader


class _LazyLoader(importlib.machinery.SourceFileLoader):
  def exec_module(self, module: types.ModuleType) -> None:
    """Leaves the module empty but for a `__getattr__`."""
    module.__getattr__ = _Waiting(module, super().exec_module)  # type: ignore[method-assign]


class _Waiting:
  """The `__getattr__` of a package that waits; it runs `__init__`, once; a failed one runs again."""

  def __init__(self, module: types.ModuleType, execute: Callable[[types.ModuleType], None]) -> None:
    self._module, self._execute = module, execute
    self._lock, self._running = threading.RLock(), False

  def __call__(self, name: str) -> Any:
    package = self._module.__name__
    missing = AttributeError(f'module {package!r} has no attribute {name!r}')
    if name.startswith('__') and name not in _OWN:
      raise missing
    if (package, name) == _SHELL:
      return lambda: None
    if _leaves_init(package, name) and importlib.util.find_spec(f'{package}.{name}'):
      return importlib.import_module(f'{package}.{name}')
    if not self.run_init():  # What `__init__` imports asks for what it does not have yet.
      raise missing
    return getattr(self._module, name)

  def run_init(self) -> bool:
    """False where this thread is in the middle of it."""
    with self._lock:
      if self._running:
        return False
      if vars(self._module).get('__getattr__') is self:
        self._running = True
        try:
          self._execute(self._module)
        finally:
          self._running = False
        if vars(self._module).get('__getattr__') is self:
          del self._module.__getattr__
    return True
