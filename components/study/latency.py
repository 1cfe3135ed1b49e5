"""How fast the study's lite files are: measured together, in interleaved rounds, as the compression gate does."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile
from collections.abc import Mapping

import numpy as np
import pydantic

from components.compression_gate.measuring import measure
from components.study.study_record import RideLatency
from components.study.unit_store import digest_of
from configs.compression import Measurement
from models.whole_files import write_whole

_KEPT = pydantic.TypeAdapter(dict[str, RideLatency])
"""What a file holds: latencies by name, with no place for a version; the name of the file tells what was measured."""

_AT_ONCE = 64
"""Files whose processes live at the same time."""


def latencies(
  files: Mapping[str, bytes], rides: Mapping[str, np.ndarray], measurement: Measurement, directory: pathlib.Path
) -> dict[str, RideLatency]:
  """Median and spread of the time for one ride, by the name of the file; from `directory` where it is known.

  Args:
    files: by name.
    rides: raw columns [rides] by name.
    measurement: rounds, calls, threads.
    directory: keeps what was measured, by the files' digest.

  Returns:
    By name; a file that was lost is left out.
  """
  digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
  kept = directory / f'latency-{digest_of([digests, measurement.model_dump()])}.json'
  if kept.is_file():
    return _KEPT.validate_json(kept.read_bytes())
  names = list(files)
  found: dict[str, RideLatency] = {}
  for start in range(0, len(names), _AT_ONCE):
    found |= _measured({name: files[name] for name in names[start : start + _AT_ONCE]}, rides, measurement)
  directory.mkdir(parents=True, exist_ok=True)
  write_whole(kept, _KEPT.dump_json(found))
  return found


def _measured(
  files: Mapping[str, bytes], rides: Mapping[str, np.ndarray], measurement: Measurement
) -> dict[str, RideLatency]:
  with tempfile.TemporaryDirectory() as folder:
    paths = {name: pathlib.Path(folder, f'{position}.tflite') for position, name in enumerate(files)}
    for name, path in paths.items():
      path.write_bytes(files[name])
    some = {name: column[: measurement.batch] for name, column in rides.items()}
    measured, _ = measure(paths, some, measurement)
  return {
    name: RideLatency(
      latency_us=one.latency_us.p50,
      latency_low_us=one.latency_us.spread[0],
      latency_high_us=one.latency_us.spread[1],
    )
    for name, one in measured.items()
  }
