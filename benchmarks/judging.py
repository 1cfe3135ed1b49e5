"""How often each rule of `compression.budget.judged_on` is wrong about a slice, by the size of the slice.

    farelite run --config nyc --data … --output out/nyc
    python -m benchmarks.judging out/nyc

The errors are those of a run's float32 file on its eval rides, whole time stamps of which are drawn anew. A candidate's
errors are the same plus independent noise, as quantization adds it, of such a size that its true RMSE ratio is what the
table says. Each draw is judged by `models.error_intervals`, as the gate does it, against the limit: a file that is
truly below the limit should pass, one that is truly 5 % beyond it should not. A run has a dozen slices, and the worst
rules: the second figure of a cell is how often one of 12 independent slices is refused.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np

from components.compression_gate.choice import judged_ratio
from components.compression_gate.records import REPORT_FILE, CompressionRecord
from components.compression_gate.report import PREDICTIONS_FILE
from components.parquet import pq
from configs.columns import LABEL, TIME
from configs.compression import Budget, JudgedOn
from models.error_intervals import ratio_interval

LIMIT = 1.05
BEYOND = 1.05 * LIMIT
SIZES = (50, 130, 400, 1300)
SLICES = 12
RESAMPLES = 400


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.judging', description=__doc__.splitlines()[0])
  parser.add_argument('run', type=pathlib.Path, help='the output directory of a run')
  parser.add_argument('--draws', type=int, default=400, help='slices drawn for each cell')
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args(arguments)
  errors, stamps = _errors(options.run)
  rules = [*JudgedOn]
  print(f'| rides of the slice | true ratio | {" | ".join(f"refused by `{rule.value}`" for rule in rules)} |')
  print(f'|---:|---:|{"---:|" * len(rules)}')
  generator = np.random.default_rng(options.seed)
  for size in SIZES:
    for true in (1.005, 1.02, LIMIT, BEYOND):
      refused = _refused(errors, stamps, size, true, options.draws, generator)
      cells = [f'{refused[rule]:.1%}, {1 - (1 - refused[rule]) ** SLICES:.0%}' for rule in rules]
      print(f'| {size:,} | {true:.4g} | {" | ".join(cells)} |')


def _errors(run: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Errors and time stamps of the eval rides of the newest judgement of a run, both [rides]."""
  folders = sorted((run / 'artifacts' / 'CompressionGate' / 'report').iterdir(), key=lambda path: int(path.name))
  baseline = CompressionRecord.parse((folders[-1] / REPORT_FILE).read_text(), folders[-1] / REPORT_FILE).baseline
  table = pq.read_table(folders[-1] / PREDICTIONS_FILE)
  fares, predictions, stamps = (table[name].to_numpy() for name in (LABEL, str(baseline), TIME))
  return np.asarray(predictions, np.float64) - fares, stamps


def _refused(
  errors: np.ndarray, stamps: np.ndarray, size: int, true: float, draws: int, generator: np.random.Generator
) -> dict[JudgedOn, float]:
  """The share of draws that each rule refuses."""
  noise = np.sqrt((true**2 - 1) * np.mean(errors**2))
  groups = np.split(np.argsort(stamps, kind='stable'), np.flatnonzero(np.diff(np.sort(stamps))) + 1)
  refused = dict.fromkeys(JudgedOn, 0)
  for _ in range(draws):
    rows: list[int] = []
    drawn: list[int] = []
    while len(rows) < size:
      group = groups[generator.integers(len(groups))]
      drawn += [len(rows)] * len(group)  # A time stamp that is drawn twice counts as two.
      rows += group.tolist()
    base = errors[rows]
    candidate = base + noise * generator.standard_normal(len(base))
    ratio = ratio_interval(np.zeros(len(base)), candidate, base, np.array(drawn), RESAMPLES)
    for rule in JudgedOn:
      refused[rule] += judged_ratio(ratio, Budget(judged_on=rule)) > LIMIT
  return {rule: count / draws for rule, count in refused.items()}


if __name__ == '__main__':
  main()
