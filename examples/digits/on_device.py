"""What a device does: `python on_device.py model.tflite digits.npz`, with ai-edge-litert and NumPy alone."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def accuracy(model: str, digits: str) -> float:
  """Share of the digits that a file reads as they are.

  Args:
    model: path of the file.
    digits: path of an .npz with `image`, float32 [digits, 64], pixels from 0 to 16, and `digit`, int [digits].
  """
  runner = Interpreter(model_path=model).get_signature_runner('serving_default')
  given = np.load(digits)
  return float((runner(image=given['image'])['predictions'].argmax(axis=1) == given['digit'].ravel()).mean())


if __name__ == '__main__':
  print(accuracy(*sys.argv[1:]))
