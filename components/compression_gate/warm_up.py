"""Requests that TensorFlow Serving answers before it serves a version."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.ride_example_gen.encoding import frame
from models.release import WARM_UP


def write_requests(version_dir: pathlib.Path, model: str, requests: Mapping[str, Mapping[str, np.ndarray]]) -> None:
  """Writes `models.release.WARM_UP`.

  Args:
    model: its name on a server.
    requests: what each signature takes, by its name: tensors [examples, ...] by name.
  """
  records = []
  for signature, tensors in requests.items():
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, tensor in tensors.items():
      request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    records.append(log.SerializeToString())
  (version_dir / WARM_UP).write_bytes(frame(records))
