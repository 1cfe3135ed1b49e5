"""Fingerprints of the code that a step runs, as a part of its cache key.

TFX keys its cache by inputs and parameters. A user function travels as a dotted path, so a change of the code behind
it would leave the key as it is and a run would be served stale results.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import pathlib

_LIBRARIES = ('tfx', 'tensorflow', 'tensorflow-transform', 'tf-keras', 'tensorflow-model-optimization', 'pyarrow')


@functools.cache
def code_version(*packages: str) -> str:
  """Hash of every Python file in `packages` and of the libraries' versions.

  Args:
    packages: dotted names, such as `transforms`; their subpackages count too.

  Returns:
    16 hexadecimal digits; equal code in another place gives the same ones.
  """
  digest = hashlib.sha256()
  for package in sorted(packages):
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
      raise ImportError(f"No package '{package}' to take the code version of.")
    root = pathlib.Path(next(iter(spec.submodule_search_locations)))
    for path in sorted(root.rglob('*.py')):
      digest.update(f'{package}/{path.relative_to(root)}\0'.encode() + path.read_bytes() + b'\0')
  for library in _LIBRARIES:
    digest.update(f'{library}=={importlib.metadata.version(library)}\0'.encode())
  return digest.hexdigest()[:16]
