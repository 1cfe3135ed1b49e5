"""The process that `pipeline.local.ahead` starts: `python -m pipeline.local.ahead_worker`.

A job is TFX's JSON of what the rewriter will be handed (`inputs`, `properties`) and of the run's id (`run`).
"""

from __future__ import annotations

import os
import sys
import threading


def main() -> None:
  """Does the job that comes as one line on standard input, and writes the name of each finished file as a line.

  It ends when the input does, as it does with the process that started this one.
  """
  from pipeline import garbage, lazy_packages

  names = os.fdopen(os.dup(1), 'w', buffering=1)
  os.dup2(2, 1)  # Whatever a library prints must not end up between the names.
  lazy_packages.install()

  with garbage.none_expected():
    from tfx.utils import json_utils

    from components.quantization_rewriter.component import rewrite_ahead

  text = sys.stdin.readline()
  if not text:
    return
  threading.Thread(target=_end_with_input, daemon=True).start()
  job = json_utils.loads(text)
  rewrite_ahead(job['inputs'], job['properties'], job['run'], lambda name: print(name, file=names))


def _end_with_input() -> None:
  sys.stdin.read()
  os._exit(1)


if __name__ == '__main__':
  main()
