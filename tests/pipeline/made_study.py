"""What a study leaves: rows of every block with figures that are made up, and what `study.json` holds."""

from configs.study import StudyBlock
from pipeline.study.records import StudyRecord

CURRENCY = 'USD'


def row(block, variant, reference, ratio, spread=0.01, **figures):
  """A row of `study.parquet`; the RMSE is 4 times the ratio, and the interval over seeds is the narrower one."""
  return {
    'block': block.value,
    'variant': variant,
    'reference': reference,
    'units': 6,
    'rmse': 4 * ratio,
    'rmse_low': 3.9 * ratio,
    'rmse_high': 4.1 * ratio,
    'mae': 2 * ratio,
    'mae_low': 1.9 * ratio,
    'mae_high': 2.1 * ratio,
    'ratio': ratio,
    'ratio_low': ratio - spread,
    'ratio_high': ratio + spread,
    'ratio_seeds_low': ratio - spread / 2,
    'ratio_seeds_high': ratio + spread / 2,
    **figures,
  }


def rows():
  """All blocks."""
  return [*_features(), *_dimensions(), *_reductions(), *_embeddings(), *_compression(), *_references()]


def about(**changed):
  """What `study.json` holds."""
  values = {
    'name': 'nyc',
    'currency': CURRENCY,
    'rides': 8905,
    'seeds': 3,
    'folds': 5,
    'units': 1234,
    'written': '2026-11-27 10:00',
    'notes': [],
    'lost': [{'block': 'reductions', 'variant': 'nmf, 24', 'reason': 'it did not <converge>.'}],
    'cells': {
      'published': {'pickup_cells': 3, 'pairs': 5, 'largest_share': 0.998},
      'fitted': {'pickup_cells': 93, 'pairs': 3492, 'largest_share': 0.003},
    },
  }
  return StudyRecord.model_validate(values | changed)


def _features():
  ratios = {'raw': 1.25, 'everything': 1.0, 'everything less geographic': 1.3, 'everything less buckets': 1.001}
  ratios |= {'case study, published cells': 1.95, 'case study, fitted cells': 1.87}
  return [
    row(StudyBlock.FEATURES, name, 'everything', ratio, 0.0 if ratio == 1 else 0.01, parameters=5000, train_seconds=0.5)
    for name, ratio in ratios.items()
  ]


def _dimensions():
  found = []
  for rides, noise_ratio in (('500', 1.4), ('all', 1.05)):
    reference = f'48 features, {rides} rides'
    for count, noise, ratio in ((6, 0, 0.99), (24, 0, 1.002), (48, 0, 1.0), (48, 200, noise_ratio)):
      name = reference if (count, noise) == (48, 0) else f'{count} features + {noise} noise, {rides} rides'
      settings = {'training_rides': rides, 'kept_features': count, 'noise_features': noise}
      found.append(row(StudyBlock.DIMENSIONS, name, reference, ratio, inputs=count + noise, **settings))
  return found


def _reductions():
  variants = {
    'all features': (1.0, 48, 32_000),
    'pca, 24': (1.02, 24, 33_000),
    'l1, 24': (0.99, 24, 24_800),
    'l1, 12': (1.005, 12, 21_000),
    'pls, 6': (1.4, 6, 28_000),
  }
  return [
    row(
      StudyBlock.REDUCTIONS, name, 'all features', ratio, inputs=inputs, bytes=size, gzip_bytes=0.8 * size,
      latency_us=8.0, method=name.split(',')[0],
    )
    for name, (ratio, inputs, size) in variants.items()
  ]  # fmt: skip


def _embeddings():
  variants = {'no embedding': 0.85, 'width 1': 0.96, 'fourth root': 1.0, 'width 100': 1.05}
  return [row(StudyBlock.EMBEDDINGS, name, 'fourth root', ratio, parameters=9000) for name, ratio in variants.items()]


def _compression():
  variants = {
    'dense.float32': (1.0, 32_000, 25_000),
    'dense.int8': (1.002, 15_500, 9_600),
    'pqat_80.float32': (0.995, 32_000, 7_800),
    'pqat_80.int8': (0.996, 15_500, 6_300),
    'pruned_95.int8': (1.2, 15_400, 5_000),
  }
  return [
    row(
      StudyBlock.COMPRESSION, name, 'dense.float32', ratio, bytes=size, gzip_bytes=gzipped, latency_us=8.0, zeros=0.5,
      recipe=name.split('.')[0], scheme=name.split('.')[1],
    )
    for name, (ratio, size, gzipped) in variants.items()
  ]  # fmt: skip


def _references():
  variants = {'mean fare': 2.2, 'LightGBM, lightly tuned': 0.99, 'this model': 1.0}
  return [row(StudyBlock.REFERENCES, name, 'this model', ratio, 0.02) for name, ratio in variants.items()]
