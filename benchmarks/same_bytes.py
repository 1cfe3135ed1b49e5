"""The weights and the lite files of a run as SHA-256 digests: whether a change of the code left them as they were.

Run the same config before and after the change, and compare:

    farelite run --set 'training.recipes=[dense,pqat_80,clustered_16]' --output /tmp/before/chicago
    python -m benchmarks.same_bytes /tmp/before/chicago /tmp/after/chicago

With one folder the digests are printed; with two the lines that differ, and the exit status is 1 where there are any.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import sys
from collections.abc import Sequence

import h5py
import numpy as np


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints digests or differences; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.same_bytes', description=__doc__.splitlines()[0])
  parser.add_argument('before', type=pathlib.Path, help='the output directory of a run')
  parser.add_argument('after', type=pathlib.Path, nargs='?', help='that of another one')
  options = parser.parse_args(arguments)
  before = digests(options.before)
  if options.after is None:
    print('\n'.join(f'{digest}  {name}' for name, digest in before.items()))
    return
  after = digests(options.after)
  different = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
  for name in different:
    print(f'{name}: {before.get(name, "absent")} before, {after.get(name, "absent")} after')
  print(f'{len({*before, *after}) - len(different)} of {len({*before, *after})} equal')
  sys.exit(1 if different else 0)


def digests(output: pathlib.Path) -> dict[str, str]:
  """SHA-256 by recipe of its weights (names, shapes, values), by variant of its file, and of the pushed file."""
  found = {}
  for recipe in sorted(output.glob('artifacts/PruningTrainer/model_run/*/recipes/*')):
    found[f'weights of {recipe.name}'] = _weights(recipe / 'Format-Serving' / 'assets.extra' / 'fare_model.weights.h5')
  for path in sorted(output.glob('artifacts/QuantizationRewriter/variants/*/*.tflite')):
    found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
  for path in sorted(output.glob('serving/*/model.tflite')):
    found['pushed'] = hashlib.sha256(path.read_bytes()).hexdigest()
  if not found:
    raise SystemExit(f"No run's artifacts below '{output}'.")
  return found


def _weights(path: pathlib.Path) -> str:
  """Of the arrays alone: the file's own bytes hold where HDF5 put them."""
  digest = hashlib.sha256()

  def add(name: str, item: object) -> None:
    if isinstance(item, h5py.Dataset):
      values = np.asarray(item)
      digest.update(f'{name} {values.dtype} {values.shape}\0'.encode() + values.tobytes())

  with h5py.File(path) as file:
    file.visititems(add)
  return digest.hexdigest()


if __name__ == '__main__':
  main()
