"""What each step costs a ride, measured here, and what that makes of any number of rides on any number of workers.

    python -m benchmarks.slopes --measure                 # simulated rides of two sizes; writes benchmarks/slopes.json
    python -m benchmarks.slopes --rides 55000000 --workers 16 --price 0.19

A slope is the difference between two sizes over the difference of rides, so that imports, graphs and whatever else a
step pays once are left out of it; they are in `once`. Steps run as in `farelite run`, one recipe (`dense`) in float32
and int8, on CSV: by Beam (`beam.in_memory_rides=0`) and in memory; `sampled` is in memory with small samples, where
what is left to grow is the pass over all records that draws a sample. Each size runs several times, and the median of
each figure counts. CPU seconds are of the process and its children;
where two steps run side by side each is given half. Memory is the growth of the peak resident set during a step, and so
the least that it takes: all steps share a process, and what one has freed the next one uses. Disk is what the step's
artifacts take. The optimizer's steps are measured apart, by a longer training on the same rides.

The projection adds nothing but arithmetic: steps on Beam are divided by the workers, with `--efficiency` for what
starting, shuffling and waiting take (not measured here, as there was no cluster); the others run on one machine, one
after the other. What is trained on, and for how many steps, is as a config has it by default; `--train-rides`,
`--eval-rides` and `--steps` say otherwise. Beyond their samples, the steps on one machine take what the pass takes.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from typing import Any

from configs.compression import Compression
from configs.evaluation import Evaluation
from configs.model import Training
from models.whole_files import delete

HOME = pathlib.Path(__file__).with_suffix('.json')
"""The slopes that docs/scale.md is made of."""

EVAL_SHARE = 0.2
BATCH = 256
BEAM_STEPS = ('RideExampleGen', 'StatisticsGen', 'FeatureEngineering', 'FareEvaluator')
TRAINER = 'PruningTrainer'
SINGLE_STEPS = (TRAINER, 'QuantizationRewriter', 'CompressionGate')
SAMPLE, STEPS = Training().sample_rides or 10**12, Training().max_steps or 10**12
"""What is trained on, and for how long, by default."""

HELD = {
  TRAINER: SAMPLE / (1 - EVAL_SHARE),
  'QuantizationRewriter': Compression().calibration_rides / (1 - EVAL_SHARE),
  'CompressionGate': Evaluation().judged_rides / EVAL_SHARE,
}
"""Rides of which a step holds a part in memory; of more it takes a sample, or the trainer streams them."""

FORMS = {'beam': 'beam_sizes', 'memory': 'memory_sizes', 'sampled': 'memory_sizes'}
"""How runs are measured, and the option that says on how many rides."""

PREDICT = {
  'predict, CSV': ('csv', ()),
  'predict, Parquet': ('parquet', ()),
  'predict --shards, CSV': ('csv', ('--shards', 'parquet')),
  'predict --shards, Parquet': ('parquet', ('--shards', 'parquet')),
}
SHARDED = 'predict --shards, Parquet'
SHORT, LONG = 1, 40
"""Epochs of the two trainings whose difference is the optimizer's."""

SETTINGS = (
  'training.recipes=dense',
  'compression.schemes=[float32, int8]',
  'evaluation.max_rmse=100',
  'evaluation.max_rmse_increase=10',
)

SAMPLED = (
  'training.sample_rides=20000',
  'compression.calibration_rides=10000',
  'compression.validation_rides=5000',
  'evaluation.judged_rides=5000',
)

Measured = dict[str, dict[str, float]]
"""CPU seconds, the peak of memory and how much of it came in the step, bytes of artifacts; by step."""


def main(arguments: list[str] | None = None) -> None:
  """Measures, or prints a projection; see `--help`."""
  options = _options(arguments)
  if options.child:
    rides, form, epochs, folder = options.child
    print(json.dumps(_run(int(rides), form, int(epochs), pathlib.Path(folder))))
  elif options.measure:
    content = _measure(options)
    options.slopes.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    _print_slopes(content)
  else:
    content = json.loads(options.slopes.read_text(encoding='utf-8'))
    _print_slopes(content)
    if options.rides:
      _print_projection(content, options)


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.slopes', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--measure', action='store_true')
  parser.add_argument('--slopes', type=pathlib.Path, default=HOME, help='the file to write or to read')
  parser.add_argument('--memory-sizes', type=int, nargs=2, default=[50_000, 500_000], help='rides without Beam')
  parser.add_argument('--beam-sizes', type=int, nargs=2, default=[20_000, 200_000], help='rides by Beam')
  parser.add_argument('--repeats', type=int, default=3, help='of every run')
  parser.add_argument('--predict-sizes', type=int, nargs=2, default=[500_000, 2_000_000])
  parser.add_argument('--rides', type=int, help='rides to project for')
  parser.add_argument('--workers', type=int, default=16, help='of one core each')
  parser.add_argument('--price', type=float, default=0.05, help='of a worker for an hour')
  parser.add_argument(
    '--efficiency', type=float, default=0.7, help='share of a worker that does the work; an assumption'
  )
  parser.add_argument(
    '--train-rides', type=int, help='the most that are trained on; those of training.sample_rides by default'
  )
  parser.add_argument('--eval-rides', type=int, help='the most that are evaluated; all by default')
  parser.add_argument('--steps', type=int, help='of the optimizer; 40 epochs, or training.max_steps, by default')
  parser.add_argument('--child', nargs=4, help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  for name in ('rides', 'workers', 'price', 'efficiency', 'train_rides', 'eval_rides', 'steps'):
    if (given := getattr(options, name)) is not None and given <= 0:
      parser.error(f'--{name.replace("_", "-")} must be more than 0, got {given}.')
  return options


def _measure(options: argparse.Namespace) -> dict[str, Any]:
  found: dict[str, Any] = {'settings': SETTINGS, 'load': [os.getloadavg()[0]], 'cores': os.cpu_count(), 'forms': {}}
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)

    def medians(rides: int, form: str, epochs: int = SHORT) -> Measured:
      runs = [_in_own_process(rides, form, epochs, folder / 'run') for _ in range(options.repeats)]
      print(f'{form} is measured with {rides:,} rides and {epochs} epochs', file=sys.stderr, flush=True)
      return _medians(runs)

    for form, sizes in FORMS.items():
      few, many = map(functools.partial(medians, form=form), getattr(options, sizes))
      found['forms'][form] = {'sizes': getattr(options, sizes), 'few': few, 'many': many}
    rides = options.memory_sizes[0]
    longer = medians(rides, 'memory', LONG)
    seconds = longer[TRAINER]['cpu'] - found['forms']['memory']['few'][TRAINER]['cpu']
    found['step_us'] = 1e6 * seconds / ((LONG - SHORT) * rides * (1 - EVAL_SHARE) / BATCH)
    found['predict'] = _measure_predict(options.predict_sizes, options.repeats, folder)
  found['load'].append(os.getloadavg()[0])
  return found


def _medians(runs: list[Measured]) -> Measured:
  return {
    step: {key: statistics.median(run[step][key] for run in runs) for key in values} for step, values in runs[0].items()
  }


def _in_own_process(rides: int, form: str, epochs: int, folder: pathlib.Path) -> Measured:
  shutil.rmtree(folder, ignore_errors=True)
  words = [sys.executable, '-W', 'ignore', '-m', 'benchmarks.slopes', '--child', str(rides), form, str(epochs), folder]
  done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f'{rides} rides by {form} failed:\n{done.stderr[-3000:]}')
  return json.loads(done.stdout.splitlines()[-1])


def _run(rides: int, form: str, epochs: int, folder: pathlib.Path) -> Measured:
  """A whole run in this process."""
  from benchmarks.simulator import Format, write
  from configs import loading
  from pipeline.local import output, run
  from pipeline.sources import rides_of

  write(folder / 'rides', rides, file_format=Format.CSV)
  beam = 'beam.in_memory_rides=0' if form == 'beam' else f'beam.in_memory_rides={rides}'
  samples = SAMPLED if form == 'sampled' else ()
  overrides = [*SETTINGS, *samples, f'training.epochs={epochs}', f'dataset.path={folder}/rides/*.csv', beam]
  config = loading.load('nyc', overrides)
  directory, meter = output.prepare(str(folder / 'out')), _Meter()
  run.run(config, rides_of(config.dataset), directory, meter)
  for step, values in meter.found.items():
    place = directory.artifacts / step
    values['disk'] = sum(path.stat().st_size for path in place.rglob('*') if path.is_file()) if place.is_dir() else 0
  return meter.found


class _Meter:
  """A `StepObserver` that shares out what the process takes among the steps that run."""

  def __init__(self) -> None:
    self.found: Measured = {}
    self._running: set[str] = set()
    self._start: dict[str, float] = {}
    self._before = _cpu()
    self._lock = threading.Lock()

  def started(self, name: str) -> None:
    with self._lock:
      self._share_out()
      self._running.add(name)
      _forget_peak()
      self._start[name] = _memory('VmRSS')
      self.found[name] = {'cpu': 0.0}

  def ended(self, step: Any) -> None:
    with self._lock:
      self._share_out()
      self._running.discard(step.name)
      values = self.found.setdefault(step.name, {'cpu': 0.0})
      values['peak'] = _memory('VmHWM')
      values['grown'] = values['peak'] - self._start.get(step.name, values['peak'])

  def _share_out(self) -> None:
    now = _cpu()
    for name in self._running:
      self.found[name]['cpu'] += (now - self._before) / len(self._running)
    self._before = now


def _cpu() -> float:
  own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
  return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _memory(key: str) -> float:
  """Bytes by `/proc/self/status`."""
  lines = pathlib.Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
  return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(f'{key}:'))


def _forget_peak() -> None:
  pathlib.Path('/proc/self/clear_refs').write_text('5', encoding='utf-8')


def _measure_predict(sizes: list[int], repeats: int, folder: pathlib.Path) -> dict[str, dict[str, Any]]:
  from benchmarks.predict import made_model
  from benchmarks.simulator import Format, write

  model = made_model('nyc', folder)
  found: dict[str, dict[str, Any]] = {}
  for name, (kind, words) in PREDICT.items():
    found[name] = {'sizes': sizes, 'cpu': [], 'peak': [], 'grown': [], 'disk': []}
    for rides in sizes:
      source = folder / f'{kind}{rides}'
      if not source.exists():
        write(source, rides, file_format=Format(kind))
      output = folder / f'{name}{rides}'.replace(' ', '_')
      target = str(output) if words else f'{output}.parquet'
      threads = () if words else ('--threads', '1')
      command = [
        sys.executable,
        '-m',
        'pipeline',
        'predict',
        model,
        f'{source}/*',
        '--output',
        target,
        '--config',
        'nyc',
      ]
      usages, place = [], pathlib.Path(target)
      for _ in range(repeats):
        delete(place)
        process = subprocess.Popen([*command, *threads, *words], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
          raise RuntimeError(f'farelite predict ended with exit code {process.returncode}: {" ".join(command)}')
        usages.append(usage)
      found[name]['cpu'].append(statistics.median(usage.ru_utime + usage.ru_stime for usage in usages))
      for key in ('peak', 'grown'):
        found[name][key].append(statistics.median(usage.ru_maxrss for usage in usages) * 1024)
      files = place.rglob('*') if place.is_dir() else [place]
      found[name]['disk'].append(sum(path.stat().st_size for path in files))
  return found


def slopes(content: dict[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
  """By form and step: CPU in µs, memory and disk in bytes, each for a ride, and CPU seconds `once`."""
  found: dict[tuple[str, str], dict[str, float]] = {}
  for form, measured in content['forms'].items():
    few, many = measured['sizes']
    for step in (*BEAM_STEPS, *SINGLE_STEPS):
      if (form == 'beam' and step in SINGLE_STEPS) or (form == 'sampled' and step not in SINGLE_STEPS):
        continue
      small, large = measured['few'][step], measured['many'][step]
      slope = {key: (large[key] - small[key]) / (many - few) for key in ('cpu', 'disk', 'grown')}
      found[form, step] = _slope(slope, small['cpu'], few, large['peak'])
  for name, measured in content['predict'].items():
    few, many = measured['sizes']
    slope = {key: (measured[key][1] - measured[key][0]) / (many - few) for key in ('cpu', 'disk', 'grown')}
    found['predict', name] = _slope(slope, measured['cpu'][0], few, measured['peak'][1])
  # One epoch of steps is in the trainer's slope, and is counted by itself.
  found['memory', TRAINER]['us'] -= content['step_us'] * (1 - EVAL_SHARE) / BATCH
  return found


def _slope(slope: dict[str, float], cpu: float, rides: int, peak: float) -> dict[str, float]:
  # What an earlier step freed is used again, so a step may seem to take less with more rides.
  memory, disk = max(slope['grown'], 0.0), max(slope['disk'], 0.0)
  return {'us': 1e6 * slope['cpu'], 'once': cpu - slope['cpu'] * rides, 'memory': memory, 'disk': disk, 'peak': peak}


def _print_slopes(content: dict[str, Any]) -> None:
  print('| form | step | CPU µs a ride | once, CPU s | memory, bytes a ride | disk, bytes a ride |')
  print('|---|---|---:|---:|---:|---:|')
  for (form, step), slope in slopes(content).items():
    print(
      f'| {form} | {step} | {slope["us"]:,.1f} | {slope["once"]:.1f} | {slope["memory"]:,.0f} | {slope["disk"]:,.0f} |'
    )
  print(f'\nA step of the optimizer takes {content["step_us"]:,.0f} µs of CPU ({BATCH} rides).')
  sizes = {form: measured['sizes'] for form, measured in content['forms'].items()}
  load = ' and '.join(f'{load:.1f}' for load in content['load'])
  print(f'Simulated rides: {sizes}; load of the machine with {content["cores"]} cores, before and after: {load}.')


def _print_projection(content: dict[str, Any], options: argparse.Namespace) -> None:
  rides, found = options.rides, slopes(content)
  trained = min(options.train_rides or SAMPLE, int(rides * (1 - EVAL_SHARE)))
  evaluated = min(options.eval_rides or rides, int(rides * EVAL_SHARE))
  steps = options.steps or min(40 * -(-trained // BATCH), STEPS)
  print(
    f'\n{rides:,} rides, {trained:,} trained on in {steps:,} steps, {evaluated:,} evaluated; {options.workers} workers '
    f'at {options.price:g} an hour, {options.efficiency:.0%} of each at work.\n'
  )
  print(
    '| step | where | CPU hours | hours | memory, GiB, at least | disk, GiB | money |\n'
    '|---|---|---:|---:|---:|---:|---:|'
  )
  total = dict.fromkeys(('cpu', 'hours', 'disk', 'money'), 0.0)
  for step in (*BEAM_STEPS, *SINGLE_STEPS, SHARDED):
    spread = step in BEAM_STEPS or step == SHARDED
    slope = found['predict', step] if step == SHARDED else found['beam' if spread else 'memory', step]
    count: float = rides  # Slopes are by ride, of which a share is in the split that a step takes.
    if step == 'FareEvaluator':
      count = evaluated / EVAL_SHARE
    elif step == TRAINER:
      count = trained / (1 - EVAL_SHARE)
    elif step in HELD:
      count = min(rides, HELD[step])
    seconds = slope['once'] + slope['us'] * count / 1e6
    if step in SINGLE_STEPS:
      # What is close to nothing may come out below it.
      seconds += max(0.0, found['sampled', step]['us']) * max(0.0, rides - count) / 1e6
    if step == TRAINER:
      seconds += content['step_us'] * steps / 1e6
    workers = options.workers * options.efficiency if spread else 1
    hours, paid = seconds / 3600 / workers, seconds / 3600 / (options.efficiency if spread else 1)
    memory = slope['peak'] if spread else slope['peak'] + slope['memory'] * min(count, HELD[step])
    row = {'cpu': seconds / 3600, 'hours': hours, 'disk': slope['disk'] * count / 2**30, 'money': paid * options.price}
    total = {key: total[key] + row[key] for key in total}
    where = f'{options.workers} workers' if spread else '1 machine'
    size = f'{memory / 2**30:,.1f}' + (' each' if spread else '')
    print(
      f'| {step} | {where} | {row["cpu"]:,.2f} | {hours:,.2f} | {size} | {row["disk"]:,.1f} | {row["money"]:,.2f} |'
    )
  print(f'| all | | {total["cpu"]:,.2f} | {total["hours"]:,.2f} | | {total["disk"]:,.1f} | {total["money"]:,.2f} |')


if __name__ == '__main__':
  main()
