"""`farelite doctor`: what is wrong with this machine and how to fix it; `farelite features`: what the model sees."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from rich.table import Table

from configs.run import RunConfig
from pipeline.local import terminal
from pipeline.options import print_json
from pipeline.sources import DataSourceError, data_source

_MINIMUM_MEMORY_GB = 4
_MINIMUM_DISK_GB = 2
_LANES = {'tfx121': ((3, 11), (3, 12), (3, 13)), 'tfx116': ((3, 10),)}
"""The lanes and their Pythons, in the order of `_PAIRS`' versions."""

_RECORD = 'farelite-lane.json'
"""What set-up wrote beside `pyvenv.cfg`: lane, Python, why it was taken, and the runtime libraries."""

_PAIRS = {  # Which of these go together; TFX pins them loosely and fails late.
  'tfx': ('1.21', '1.16'),
  'tensorflow': ('2.21', '2.16'),
  'tf-keras': ('2.21', '2.16'),
  'tensorflow-transform': ('1.21', '1.16'),
  'tensorflow-model-analysis': ('0.52', '0.47'),
  'tensorflow-model-optimization': ('0.8', '0.8'),
}

_UNPAIRED = ('apache-beam', 'ml-metadata', 'tensorflow-data-validation', 'tfx-bsl')
"""What pip keeps in line with these; a run needs them too."""


@dataclasses.dataclass(frozen=True)
class CheckResult:
  """The result of one check: whether all is well, what was found, and what to do where it is not."""

  ok: bool
  text: str
  fix: str = ''


def run(imports: bool = False, as_json: bool = False) -> int:
  """Prints every finding; returns 0 if all is well, else 1.

  Args:
    imports: load TensorFlow, Beam and ML Metadata and let each do something, which takes seconds.
    as_json: print a list with an object for each check instead.
  """
  all_well, listed = True, []
  with terminal.captured() as console:
    console.quiet = as_json
    for name, check in (CHECKS | IMPORT_CHECKS if imports else CHECKS).items():
      try:
        with console.status(name):
          found = check()
      except Exception as error:  # A doctor that dies of what it examines helps nobody.
        text = f'the check itself failed: {type(error).__name__}: {error}'
        found = CheckResult(False, text, '`make reinstall` makes the environment anew.')
      console.print(f' {"[green]✓[/]" if found.ok else "[red]✗[/]"} {name:<12} {found.text}', soft_wrap=True)
      if found.fix and not found.ok:
        console.print(f'   {"":<12} → {found.fix}', soft_wrap=True)
      all_well &= found.ok
      listed.append({'check': name, **dataclasses.asdict(found)})
  if as_json:
    print_json(listed)
  return 0 if all_well else 1


def _python() -> CheckResult:
  version = '.'.join(map(str, sys.version_info[:3]))
  lane = next((name for name, versions in _LANES.items() if sys.version_info[:2] in versions), None)
  return CheckResult(
    lane is not None,
    f'{version} at {sys.executable}' + (f', lane {lane}' if lane else ''),
    'Farelite runs on Python 3.11 to 3.13 (tfx 1.21) or 3.10 (tfx 1.16): install one, then `make install`.',
  )


def _libraries() -> CheckResult:
  """The C library, which must be newer for tfx 1.21 than some distributions have."""
  if sys.platform != 'linux':
    return CheckResult(True, f'those of {platform.system()} {platform.release()}')
  loaded = ' '.join(platform.libc_ver())
  borrowed = _recorded().get('runtime')
  if not borrowed:
    return CheckResult(True, f"{loaded}, the system's own")
  libraries = ', '.join(f'{package} {version}' for package, version in borrowed.items())
  old = _recorded().get('system_libc', 'an older one')
  return CheckResult(
    (pathlib.Path(sys.prefix) / 'lib' / 'runtime' / 'libc.so.6').is_file(),
    f'{loaded} below {sys.prefix}, as the system has {old}: {libraries}',
    '`make reinstall`',
  )


def _recorded() -> dict[str, Any]:
  """What set-up wrote; empty where another tool made the environment."""
  file = pathlib.Path(sys.prefix) / _RECORD
  return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else {}


def _packages() -> CheckResult:
  found, lanes, missing = [], set[int](), []
  for package, lines in _PAIRS.items():
    try:
      version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      missing.append(package)
      continue
    found.append(f'{package} {version}')
    fits = {lane for lane, line in enumerate(lines) if version.startswith(line)}
    lanes = fits if len(found) == 1 else lanes & fits
  text = ', '.join(found) + (f'; missing: {", ".join(missing)}' if missing else '')
  return CheckResult(not missing and bool(lanes), text, 'These versions do not go together: `make reinstall`.')


def _files() -> CheckResult:
  """Whether the packages are as they were installed, by the lists of files that they bring; nothing is loaded."""
  damaged, count = [], 0
  for package in (*_PAIRS, *_UNPAIRED):
    try:
      distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
      damaged += [f'{package} is missing'] if package in _UNPAIRED else []  # `_packages` says the others.
      continue
    # `distribution.files` takes a second for TensorFlow's 20,000.
    listed = [row for row in csv.reader((distribution.read_text('RECORD') or '').splitlines()) if len(row) == 3]
    files = [(name, int(size)) for name, _, size in listed if size and not name.endswith('.pyc')]
    folder = str(distribution.locate_file(''))
    damaged += [f'{name} is {fault}' for name, size in files if (fault := _fault(os.path.join(folder, name), size))]
    count += len(files)
  if damaged:
    more = f' ({len(damaged):,} findings)' if damaged[1:] else ''
    return CheckResult(False, f'{damaged[0]}{more}', '`make reinstall`')
  return CheckResult(True, f'the {count:,} of TensorFlow, TFX and Beam are whole; `--imports` loads them')


def _fault(file: str, size: int) -> str:
  try:
    found = os.stat(file).st_size  # noqa: PTH116, of which there are 20,000
  except OSError:
    return 'gone'
  return '' if found == size else f'of {found:,} bytes, not {size:,}'


def _tensorflow() -> CheckResult:
  terminal.prepare()
  start = time.monotonic()
  tf = importlib.import_module('tensorflow')
  value = float(tf.reduce_sum(tf.ones([2, 2])))
  return CheckResult(value == 4.0, f'adds up, imported in {time.monotonic() - start:.1f} s')


def _beam() -> CheckResult:
  beam = importlib.import_module('apache_beam')
  with beam.Pipeline(runner='apache_beam.runners.portability.fn_api_runner.FnApiRunner') as pipeline:
    _ = pipeline | beam.Create([1, 2]) | beam.Map(lambda value: value + 1)
  return CheckResult(True, f'apache-beam {beam.__version__} ran a pipeline')


def _metadata() -> CheckResult:
  terminal.prepare()
  metadata = importlib.import_module('tfx.orchestration.metadata')
  with tempfile.TemporaryDirectory() as directory:
    config = metadata.sqlite_metadata_connection_config(os.path.join(directory, 'metadata.sqlite'))
    with metadata.Metadata(config) as handle:
      handle.store.get_artifacts()
  return CheckResult(True, 'ML Metadata opens an SQLite store')


def _memory() -> CheckResult:
  gigabytes = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9
  return CheckResult(
    gigabytes >= _MINIMUM_MEMORY_GB,
    f'{gigabytes:.0f} GB, {os.cpu_count()} cores',
    f'A run on the Chicago rides needs about {_MINIMUM_MEMORY_GB} GB.',
  )


def _disk() -> CheckResult:
  free = shutil.disk_usage(pathlib.Path.cwd()).free / 1e9
  return CheckResult(
    free >= _MINIMUM_DISK_GB, f'{free:.0f} GB free here', 'Free some, or run with --output on another disk.'
  )


def _rides() -> CheckResult:
  path = 'package://tfx/examples/chicago_taxi_pipeline/data/simple/data.csv'
  try:
    source = data_source(path)
  except DataSourceError as error:
    return CheckResult(False, str(error), '`make reinstall`')
  file = pathlib.Path(source.base) / source.pattern
  return CheckResult(file.is_file(), f'the Chicago rides are at {file}', 'tfx was installed without its examples.')


def _make() -> CheckResult:
  if shutil.which('make') is None:
    return CheckResult(False, 'make is not on PATH', 'apt-get install make')
  version = subprocess.run(['make', '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
  return CheckResult(True, version)


CHECKS = {
  check.__name__.removeprefix('_'): check
  for check in (_python, _libraries, _packages, _files, _memory, _disk, _rides, _make)
}
"""The checks by name, in the order in which they run; none loads what takes long."""

IMPORT_CHECKS = {check.__name__.removeprefix('_'): check for check in (_tensorflow, _beam, _metadata)}
"""Those that load a package and let it do something."""


def show(config: RunConfig, as_json: bool = False) -> None:
  """Prints one table of numeric features and one of categorical ones."""
  from transforms.catalogue import categoricals
  from transforms.engineering import catalogue

  if as_json:
    numeric_features, others = catalogue(config.dataset, config.features), categoricals(config.dataset, config.features)
    print_json(
      {
        'numeric': [dataclasses.asdict(one) for one in numeric_features],
        'categorical': [dataclasses.asdict(one) for one in others],
      }
    )
    return
  console = terminal.VisibleConsole(highlight=False)
  table = functools.partial(Table, title_justify='left', box=None)
  title = f'{config.name}: numeric features, in vector order'
  numeric = table('feature', 'block', 'unit', 'meaning', title=title)
  for feature in catalogue(config.dataset, config.features):
    numeric.add_row(feature.name, feature.block, feature.unit, feature.meaning)
  console.print(numeric)
  title = 'categorical features, one embedding each'
  categorical = table('feature', 'values', 'width', 'meaning', title=title)
  for category in categoricals(config.dataset, config.features):
    categorical.add_row(category.name, f'{category.size:,}', str(category.embedding_width), category.meaning)
  off = 'No categorical features; features.buckets and features.crosses are off.'
  console.print(categorical if categorical.row_count else off)
