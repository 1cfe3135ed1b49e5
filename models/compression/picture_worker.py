"""Draws training reports in a process of its own; `models.compression.drawing` starts it.

Each line of the standard input is the path of a report's JSON; its pictures get beside it. It imports no TensorFlow.
"""

from __future__ import annotations

import os
import pathlib
import sys

from models.compression.pictures import draw_report
from models.compression.records import TrainingReport

_NICENESS = 5
"""The trainings go first."""


def main() -> None:
  """Draws until the input ends."""
  os.nice(_NICENESS)
  for line in sys.stdin:
    report = pathlib.Path(line.rstrip('\n'))
    for name, picture in draw_report(TrainingReport.read(report)).items():
      report.with_name(name).write_bytes(picture)


if __name__ == '__main__':
  main()
