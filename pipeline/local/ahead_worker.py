"""The process that `pipeline.local.ahead` starts: `python -m pipeline.local.ahead_worker`.

A job is TFX's JSON of what the rewriter and the gate will be handed (`rewriter` and `gate`, each with `input_dict` and
`exec_properties`), and of the run's id (`run`). Answers are messages of `models.lite.messages`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import numpy as np

CONVERTED, KEY, PREDICTED = 'converted', 'key', 'predicted'
"""Keys of an answer: the name of a finished file; or predictions, and whose they are (see
`components.compression_gate.predicted_ahead`)."""


def main() -> None:
  """Does the job that comes as one line on standard input.

  It ends when the input does, as it does with the process that started this one.
  """
  from pipeline import garbage, lazy_packages

  answers = os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)  # Whatever a library prints must not end up between the answers.
  lazy_packages.install()

  with garbage.none_expected():
    import numpy as np
    from tfx.utils import json_utils

    from components.compression_gate.component import predicting_ahead
    from components.quantization_rewriter.component import rewrite_ahead
    from configs.errors import FareliteError
    from models.lite.messages import write_message

  text = sys.stdin.readline()
  if not text:
    return
  threading.Thread(target=_end_with_input, daemon=True).start()
  job = json_utils.loads(text)
  lock = threading.Lock()

  def answer(**arrays: np.ndarray) -> None:
    with lock:
      write_message(answers, arrays)

  def predicted(key: str, predictions: np.ndarray) -> None:
    answer(**{KEY: np.array(key), PREDICTED: predictions})

  def converted(name: str) -> None:
    answer(**{CONVERTED: np.array(name)})

  with contextlib.suppress(FareliteError):  # Whoever does this in the run itself tells it.
    beside = predicting_ahead(**job['gate'], keep=predicted)
    rewrite_ahead(**job['rewriter'], run=job['run'], done=converted, beside=beside)


def _end_with_input() -> None:
  sys.stdin.read()
  os._exit(1)


if __name__ == '__main__':
  main()
