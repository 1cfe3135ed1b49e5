"""Lists the benchmarks: `python -m benchmarks`."""

from __future__ import annotations

import ast
import pathlib


def main() -> None:
  """Prints each module that can be run, with the first line of its docstring."""
  for path in sorted(pathlib.Path(__file__).parent.glob('*.py')):
    tree = ast.parse(path.read_text())
    if path.stem != '__main__' and any(isinstance(node, ast.FunctionDef) and node.name == 'main' for node in tree.body):
      print(f'python -m benchmarks.{path.stem:<14}', (ast.get_docstring(tree) or '').splitlines()[0])


if __name__ == '__main__':
  main()
