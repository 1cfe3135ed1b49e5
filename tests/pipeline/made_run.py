"""A finished run on disk without a run: every file that the report reads, with figures that a real one could have."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tensorflow_metadata.proto.v0 import statistics_pb2

from configs import loading

RIDES = 400
_BASELINE = 'dense.float32'

# name: RMSE ratio, bytes, gzip, p50 in microseconds, zeros, and what it misses.
VARIANTS: dict[str, tuple[float, int, int, float, float, str]] = {
  'dense.float32': (1.0, 28_412, 22_350, 9.8, 0.0, ''),
  'dense.float16': (1.0001, 17_920, 13_480, 10.1, 0.0, ''),
  'dense.dynamic_range': (1.0016, 14_760, 10_640, 8.9, 0.004, ''),
  'dense.int8': (1.0142, 14_020, 9_310, 8.1, 0.006, 'RMSE 1.4 % above float32, the budget allows 1 %'),
  'dense.int16x8': (1.0011, 14_980, 10_020, 12.7, 0.004, ''),
  'dense.dynamic_int4': (1.1830, 11_350, 7_120, 11.2, 0.11, 'RMSE 18 % above float32, the budget allows 1 %'),
  'pruned_80.float32': (0.9984, 28_412, 11_870, 9.7, 0.786, ''),
  'pruned_80.dynamic_range': (1.0005, 14_760, 7_480, 8.8, 0.788, ''),
  'pruned_80.int8': (1.0121, 14_020, 6_220, 8.0, 0.79, 'RMSE 1.2 % above float32, the budget allows 1 %'),
  'qat.int8': (1.0031, 14_020, 9_280, 8.2, 0.021, ''),
  'pqat_80.int8': (1.0042, 13_980, 6_150, 7.9, 0.785, ''),
}


def made_run(directory: pathlib.Path, **changes: Any) -> pathlib.Path:
  """Writes the output directory of a run that pushed `pqat_80.int8`.

  Args:
    directory: made if need be.
    **changes: keys of the summary that are to be others.

  Returns:
    The directory.
  """
  directory.mkdir(parents=True, exist_ok=True)
  config = loading.load('chicago', ['training.recipes=[dense,pruned_80,pqat_80,qat]'])
  (directory / 'config.yaml').write_text(loading.dump(config), encoding='utf-8')
  for recipe in config.training.recipes:
    _recipe(directory, recipe.name)
  artifacts = {
    'RideExampleGen': {'quarantine': _json(directory, 'RideExampleGen/quarantine/1/counts.json', {'files': ['a.csv']})},
    'StatisticsGen': {'statistics': _statistics(directory)},
    'PruningTrainer': {'model_run': _json(directory, 'PruningTrainer/model_run/9/history.json', history())},
    'CompressionGate': {'report': _gate(directory)},
  }
  write_json(directory / 'summary.json', summary(artifacts, directory) | changes)
  return directory


def failed_run(directory: pathlib.Path, reason: str = 'StatisticsGen: the disk is full.') -> pathlib.Path:
  """Writes the output directory of a run that failed in its second step."""
  made_run(directory)
  finished = json.loads((directory / 'summary.json').read_text(encoding='utf-8'))
  nothing = {'metrics': None, 'rmse_without_worst_5': None, 'pushed_path': None, 'chosen': None}
  empty: dict[str, Any] = {'slices': [], 'recipes': [], 'variants': [], 'notes': [], 'findings': []}
  steps = [finished['steps'][0], finished['steps'][1] | {'state': 'failed'}]
  artifacts = {'RideExampleGen': finished['artifacts']['RideExampleGen']}
  changed = {'status': 'failed', 'reason': reason, 'steps': steps, 'artifacts': artifacts}
  write_json(directory / 'summary.json', finished | nothing | empty | changed)
  return directory


def compression() -> dict[str, Any]:
  """What the gate's `compression.json` holds; the last variant could not be made."""
  variants = [_variant(name, *figures) for name, figures in VARIANTS.items()]
  lost = dict.fromkeys(variants[0]) | {
    'name': 'qat.dynamic_range_sparse',
    'recipe': 'qat',
    'scheme': 'dynamic_range_sparse',
    'slices': [],
    'within_budget': False,
    'frontier_size': False,
    'frontier_latency': False,
    'reason': 'dense_1 has no zero blocks, so there is nothing to encode sparsely.',
  }
  return {
    'chosen': 'pqat_80.int8',
    'reason': 'pqat_80.int8 is the smallest of 8 variants that keep the budget.',
    'baseline': _BASELINE,
    'rides': RIDES,
    'budget': {
      'rmse_ratio': 1.01,
      'worst_slice_ratio': 1.05,
      'min_slice_rides': 50,
      'judged_on': 'point',
      'bytes': 20_000,
      'latency_us': None,
    },
    'notes': ['Post-training quantization misses the accuracy budget; quantization-aware training keeps it.'],
    'variants': [*variants, lost],
  }


def summary(artifacts: Mapping[str, Any], directory: pathlib.Path) -> dict[str, Any]:
  """What `summary.json` holds."""
  after = {
    'RideExampleGen': [],
    'StatisticsGen': ['RideExampleGen'],
    'RideSchema': [],
    'AnomalyGate': ['StatisticsGen', 'RideSchema'],
    'FeatureEngineering': ['RideExampleGen', 'RideSchema', 'AnomalyGate'],
    'PruningTrainer': ['FeatureEngineering'],
    'FareEvaluator': ['RideExampleGen', 'PruningTrainer'],
    'CompressionGate': ['PruningTrainer', 'RideExampleGen'],
    'Pusher': ['FareEvaluator', 'CompressionGate'],
  }
  computed = {'StatisticsGen': 'by Beam', **dict.fromkeys(('FeatureEngineering', 'FareEvaluator'), 'in memory')}
  gate = compression()
  return {
    'status': 'pushed',
    'reason': f'The file keeps every limit and was pushed. {gate["reason"]}',
    'name': 'chicago',
    'rows': {
      'read': 2010,
      'kept': 2000,
      'quarantined': {'fare_out_of_range': 7, 'unparsable_time': 3},
      'splits': {'eval': RIDES, 'train': 1600},
      'passed_over': {'/rides/_SUCCESS': 'its name begins with an underscore', '/rides/b.csv': 'it is empty'},
    },
    'metrics': {'rmse': interval(4.43, 0.9), 'mae': interval(1.82, 0.15)},
    'rmse_without_worst_5': 3.64,
    'slices': [
      _slice('all', 400),
      _slice('airport ride', 60, ('slice_airport', 1)),
      _slice('0–6 h', 80, ('slice_time_band', 0)),
    ],
    'base_slices': [],
    'recipes': [],
    'variants': [
      {key: variant[key] for key in ('name', 'bytes', 'gzip_bytes', 'rmse')} for variant in gate['variants']
    ],
    'chosen': gate['chosen'],
    'notes': gate['notes'],
    'findings': [_finding('pickup_longitude', 'skew', 0.047), _finding('fare_amount', 'drift', 0.31, 'warning')],
    'pushed_path': str(directory / 'serving' / '1795458791'),
    'timings': {name: 1.5 for name in after},
    'cached': [],
    'quarantine': artifacts['RideExampleGen']['quarantine'],
    'curves': artifacts['PruningTrainer']['model_run'],
    'artifacts': artifacts,
    'steps': [
      {
        'name': name,
        'state': 'cached' if name == 'RideSchema' else 'complete',
        'seconds': 1.5 + 2 * index,
        'after': before,
        'computed': computed.get(name),
      }
      for index, (name, before) in enumerate(after.items())
    ],
  }


def history() -> dict[str, list[float]]:
  """The course of a training."""
  epochs = np.arange(1, 41) / 2
  loss = 4 + 6 * np.exp(-epochs)
  curves = {
    'epoch': epochs,
    'step': 46 * epochs,
    'loss': loss,
    'val_loss': loss + 0.3,
    'rmse': loss,
    'val_rmse': loss + 0.4,
  }
  return {name: values.tolist() for name, values in curves.items()}


def interval(value: float, reach: float) -> dict[str, float]:
  """A figure as the artifacts have it."""
  return {'value': value, 'low': value - reach, 'high': value + reach}


def manifest(rmse: float, reach: float) -> dict[str, Any]:
  """What the manifest of a pushed version holds."""
  return {
    'format': 1,
    'created': '2026-11-20T06:00:00Z',
    'recipe': 'qat',
    'scheme': 'int8',
    'dataset': 'chicago',
    'inputs': [],
    'metrics': {'rmse': interval(rmse, reach), 'mae': interval(rmse / 2, reach)},
    'code_version': '6db063efc492c56f',
    'files': {'model.tflite': {'bytes': 16_220, 'sha256': '683f64e187d9'}},
  }


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes a file, its folder included."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(content), encoding='utf-8')


def _variant(
  name: str, ratio: float, size: int, gzipped: int, microseconds: float, zeros: float, missed: str
) -> dict[str, Any]:
  recipe, scheme = name.split('.')
  worst = {'name': 'airport ride', 'rides': 60, 'rmse': 6.6 * ratio, 'rmse_ratio': interval(1 + 2 * (ratio - 1), 0.02)}
  kept = [other for other, figures in VARIANTS.items() if not figures[-1]]
  smaller = any((ratio, size) != (one[0], one[1]) and one[0] <= ratio and one[1] <= size for one in VARIANTS.values())
  faster = any(
    (ratio, microseconds) != (one[0], one[3]) and one[0] <= ratio and one[3] <= microseconds
    for one in VARIANTS.values()
  )
  why = f'Keeps the budget, but pqat_80.int8 is smaller (13,980 of {size:,} bytes).'
  return {
    'name': name,
    'recipe': recipe,
    'scheme': scheme,
    'file': f'{name}.tflite',
    'bytes': size,
    'gzip_bytes': gzipped,
    'sparsity': zeros,
    'rmse': interval(4.43 * ratio, 0.9),
    'mae': interval(1.82 * ratio, 0.15),
    'rmse_ratio': interval(ratio, 0.0 if name == _BASELINE else 0.008),
    'worst_slice': worst,
    'slices': [worst, {'name': '0–6 h', 'rides': 80, 'rmse': 4.1 * ratio, 'rmse_ratio': interval(ratio, 0.01)}],
    'latency_us': {
      'p50': microseconds,
      'p99': 1.6 * microseconds,
      'spread': [0.97 * microseconds, 1.05 * microseconds],
      'whole_call': True,
    },
    'latency_batch_us': {
      'p50': 31 * microseconds,
      'p99': 40 * microseconds,
      'spread': [300.0, 320.0],
      'whole_call': True,
    },
    'peak_bytes': 61_000_000 + 10 * size,
    'within_budget': name in kept,
    'frontier_size': not smaller,
    'frontier_latency': not faster,
    'reason': f'{missed}.' if missed else 'Chosen: the smallest of 8 variants.' if name == 'pqat_80.int8' else why,
  }


def _slice(name: str, rides: int, code: tuple[str, int] | None = None) -> dict[str, Any]:
  return {
    'name': name,
    'slice': [{'feature': code[0], 'value': code[1]}] if code else [],
    'root_mean_squared_error': 4.43,
    'mean_absolute_error': 1.82,
    'example_count': float(rides),
    'calibration': 0.978,
  }


def _finding(feature: str, kind: str, divergence: float, severity: str = 'info') -> dict[str, Any]:
  return {
    'sentence': f'{feature} in the train split: expected values within a divergence of 0.2, came {divergence}.',
    'split': 'train',
    'feature': feature,
    'kind': kind,
    'severity': severity,
    'stops': False,
    'divergence': divergence,
    'threshold': 0.2,
  }


def _json(directory: pathlib.Path, name: str, content: Any) -> str:
  path = directory / 'artifacts' / name
  write_json(path, content)
  return str(path.parent)


_MISSING = {'dropoff_latitude': (20, 31), 'passenger_count': (0, 1600)}
"""Of 1,600 rides, those in which a column is absent, and those in which it is NaN, as a canonical ride has it."""


def _statistics(directory: pathlib.Path) -> str:
  columns = {
    'pickup_seconds': (126_232_200.0, 252_348_300.0),
    'fare_amount': (2.25, 175.05),
    'dropoff_latitude': (41.66, 42.02),
    'passenger_count': (0.0, 0.0),
  }
  lists = statistics_pb2.DatasetFeatureStatisticsList()
  dataset = lists.datasets.add(num_examples=1600)
  for name, (low, high) in columns.items():
    feature = dataset.features.add()
    feature.path.step.append(name)
    feature.num_stats.min, feature.num_stats.max = low, high
    feature.num_stats.median = feature.num_stats.mean = (low + high) / 2
    feature.type = statistics_pb2.FeatureNameStatistics.FLOAT
    absent, nan = _MISSING.get(name, (0, 0))
    feature.num_stats.common_stats.num_missing = absent
    feature.num_stats.common_stats.num_non_missing = 1600 - absent
    feature.num_stats.histograms.add(num_nan=nan)
  path = directory / 'artifacts' / 'StatisticsGen' / 'statistics' / '4' / 'Split-train' / 'FeatureStats.pb'
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(lists.SerializeToString())
  return str(path.parent.parent)


def _recipe(directory: pathlib.Path, name: str) -> None:
  """A training report; recipes other than the base have one stage, and zeros where they prune."""
  steps = list(range(11, 451, 11))
  pruned = name in ('pruned_80', 'pqat_80')
  curves: dict[str, list[float | None]] = {'step': steps, 'loss': [4.2 - step / 2000 for step in steps]}  # type: ignore[dict-item]
  if pruned:
    curves['sparsity'] = [None, *(min(0.8, step / 300) for step in steps[1:])]
  layer = {
    'name': 'dense_0',
    'shape': [48, 64],
    'parameters': 3072,
    'nonzero': 614 if pruned else 3072,
    'sparsity': 0.8 if pruned else 0.0,
    'distinct': 135,
    'target_sparsity': 0.8 if pruned else None,
    'range': None,
    'histogram': {'edges': [-1.0, 0.0, 1.0], 'before': [1000, 2072], 'after': [1000, 2072]},
  }
  stage = {'technique': 'pruning' if pruned else 'quantization', 'seconds': 2.9, 'resumed_from': 0, 'curves': curves}
  report = {
    'schema_version': 1,
    'recipe': {'name': name, 'summary': f'What {name} does.'},
    'base_digest': '4057cf318741',
    'seconds': 2.9,
    'stages': [] if name == 'dense' else [stage],
    'layers': [layer],
    'totals': {
      'parameters': 5736,
      'nonzero': 1227 if pruned else 5736,
      'sparsity': 0.786 if pruned else 0.0,
      'pruned_sparsity': 0.8 if pruned else None,
      'biases': 113,
      'distinct_weights': 135,
    },
    'metrics': {'rmse': interval(4.43, 0.9), 'mae': interval(1.82, 0.15), 'rmse_ratio': interval(1.001, 0.01)},
  }
  _json(directory, f'PruningTrainer/model_run/9/recipes/{name}/training_report/training_report.json', report)


def _gate(directory: pathlib.Path) -> str:
  uri = pathlib.Path(_json(directory, 'CompressionGate/report/12/compression.json', compression()))
  random = np.random.default_rng(0)
  fares = random.gamma(2, 6, RIDES).astype(np.float32) + 3
  columns = {
    'pickup_seconds': random.integers(126_232_200, 252_348_300, RIDES).astype(np.int32),
    'pickup_longitude': random.normal(-87.65, 0.05, RIDES).astype(np.float32),
    'pickup_latitude': random.normal(41.9, 0.04, RIDES).astype(np.float32),
    'dropoff_longitude': np.where(random.random(RIDES) < 0.03, np.nan, random.normal(-87.65, 0.05, RIDES)).astype(
      np.float32
    ),
    'dropoff_latitude': random.normal(41.9, 0.04, RIDES).astype(np.float32),
    'fare_amount': fares,
    'slice_airport': (random.random(RIDES) < 0.15).astype(np.int8),
    'slice_time_band': random.integers(0, 5, RIDES).astype(np.int8),
    _BASELINE: fares + random.normal(0, 3, RIDES).astype(np.float32),
    'pqat_80.int8': fares + random.normal(0.3, 3, RIDES).astype(np.float32),
  }
  pq.write_table(pa.table(columns), uri / 'predictions.parquet')
  return str(uri)


def config_of(directory: pathlib.Path) -> dict[str, Any]:
  """The config of a made run, to change and write back."""
  return dict(yaml.safe_load((directory / 'config.yaml').read_text(encoding='utf-8')))
