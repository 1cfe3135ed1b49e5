"""Tells what is wrong with this machine, and how to mend it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from rich.console import Console

from pipeline import environment, log_files
from pipeline.data_source import DataSourceError, data_source

_MINIMUM_MEMORY_GB = 4
_MINIMUM_DISK_GB = 2
_PAIRS = {  # Which of these go together; TFX pins them loosely and fails late.
  'tfx': ('1.16', '1.21'),
  'tensorflow': ('2.16', '2.21'),
  'tf-keras': ('2.16', '2.21'),
  'tensorflow-transform': ('1.16', '1.21'),
  'tensorflow-model-analysis': ('0.47', '0.52'),
  'tensorflow-model-optimization': ('0.8', '0.8'),
}


@dataclasses.dataclass(frozen=True)
class Finding:
  """The result of one check.

  Attributes:
    ok: whether all is well.
    text: what was found.
    mend: what to do where it is not.
  """

  ok: bool
  text: str
  mend: str = ''


def run() -> int:
  """Prints every finding; returns 0 if all is well, else 1."""
  findings = []
  with log_files.captured(pathlib.Path(os.devnull)) as console:
    for name, check in CHECKS.items():
      with console.status(name):
        finding = _guarded(check)
      findings.append(finding)
      _show(console, name, finding)
  return 0 if all(finding.ok for finding in findings) else 1


def _show(console: Console, name: str, finding: Finding) -> None:
  mark = '[green]✓[/]' if finding.ok else '[red]✗[/]'
  console.print(f' {mark} {name:<12} {finding.text}', soft_wrap=True)
  if not finding.ok and finding.mend:
    console.print(f'   {"":<12} → {finding.mend}', soft_wrap=True)


def _guarded(check: Callable[[], Finding]) -> Finding:
  try:
    return check()
  except Exception as error:  # A doctor that dies of what it examines helps nobody.
    return Finding(False, f'the check itself failed: {type(error).__name__}: {error}', 'Run `make install` again.')


def _python() -> Finding:
  version = '.'.join(map(str, sys.version_info[:3]))
  return Finding(
    sys.version_info[:2] in ((3, 10), (3, 11)),
    f'{version} at {sys.executable}',
    'Farelite runs on Python 3.10 (tfx 1.16) or 3.11 (tfx 1.21): install one, then `make install`.',
  )


def _packages() -> Finding:
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
  return Finding(not missing and bool(lanes), text, 'These versions do not go together: `make clean install`.')


def _tensorflow() -> Finding:
  environment.prepare()
  start = time.monotonic()
  tf = importlib.import_module('tensorflow')
  value = float(tf.reduce_sum(tf.ones([2, 2])))
  return Finding(value == 4.0, f'adds up, imported in {time.monotonic() - start:.1f} s')


def _beam() -> Finding:
  beam = importlib.import_module('apache_beam')
  with beam.Pipeline(runner='DirectRunner') as pipeline:
    _ = pipeline | beam.Create([1, 2]) | beam.Map(lambda value: value + 1)
  return Finding(True, f'apache-beam {beam.__version__} ran a pipeline')


def _metadata() -> Finding:
  environment.prepare()
  metadata = importlib.import_module('tfx.orchestration.metadata')
  with tempfile.TemporaryDirectory() as directory:
    config = metadata.sqlite_metadata_connection_config(os.path.join(directory, 'metadata.sqlite'))
    with metadata.Metadata(config) as handle:
      handle.store.get_artifacts()
  return Finding(True, 'ML Metadata opens an SQLite store')


def _memory() -> Finding:
  gigabytes = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9
  return Finding(
    gigabytes >= _MINIMUM_MEMORY_GB,
    f'{gigabytes:.0f} GB, {os.cpu_count()} cores',
    f'A run on the Chicago rides needs about {_MINIMUM_MEMORY_GB} GB.',
  )


def _disk() -> Finding:
  free = shutil.disk_usage(pathlib.Path.cwd()).free / 1e9
  return Finding(
    free >= _MINIMUM_DISK_GB, f'{free:.0f} GB free here', 'Free some, or run with --output on another disk.'
  )


def _rides() -> Finding:
  path = 'package://tfx/examples/chicago_taxi_pipeline/data/simple/data.csv'
  try:
    source = data_source(path)
  except DataSourceError as error:
    return Finding(False, str(error), '`make install`')
  file = pathlib.Path(source.base) / source.pattern
  return Finding(file.is_file(), f'the Chicago rides lie at {file}', 'tfx was installed without its examples.')


def _make() -> Finding:
  if shutil.which('make') is None:
    return Finding(False, 'make is not on PATH', 'apt-get install make')
  version = subprocess.run(['make', '--version'], capture_output=True, text=True, check=True).stdout.splitlines()[0]
  return Finding(True, version)


CHECKS: dict[str, Callable[[], Finding]] = {
  'python': _python,
  'packages': _packages,
  'tensorflow': _tensorflow,
  'beam': _beam,
  'metadata': _metadata,
  'memory': _memory,
  'disk': _disk,
  'rides': _rides,
  'make': _make,
}
"""The checks by name, in the order in which they run."""
