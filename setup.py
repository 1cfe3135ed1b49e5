"""Packaging of Farelite; the top-level packages are named one by one, as TFX's own templates have them."""

from setuptools import setup

VERSION = '0.1.0'

INSTALL_REQUIRES = [
  # The lane tested first is tfx 1.16 on Python 3.10; tfx 1.21 needs Python 3.11 and its own lock.
  'tfx>=1.16,<1.22',
  'tensorflow>=2.16,<2.22',
  'tf-keras>=2.16,<2.22',  # Keras 2: the only one that tensorflow-model-optimization knows.
  'tensorflow-transform>=1.16,<1.22',
  'tensorflow-model-optimization>=0.8,<0.9',
  'apache-beam>=2.65,<2.69',  # 2.69 dropped dill, which TFX 1.16 imports.
  'pydantic>=2.7,<3',  # Typed configs that tell all errors at once.
  'PyYAML>=6,<7',
  'click>=8,<9',  # The command line; kfp brings it anyway, and it imports in 50 ms.
  'rich>=13,<16',  # The live view, tables, progress.
  'matplotlib>=3.8,<4',  # Loss curves as pictures.
  'scikit-learn>=1.4,<2',  # Projections and feature selection; TFX's analyzers bring it anyway.
  'cronsim>=2.6,<3',  # When a cron expression fires, daylight saving as Debian's cron has it; no dependencies.
  'Jinja2>=3.1,<4',  # The report's templates; TFX brings it anyway, and it escapes what it is given.
  'portalocker>=2.8,<5',  # One run at a time on an output directory.
  'ai-edge-litert>=2',  # What clients of the model run it with; TensorFlow's own interpreter is on its way out.
  'tzdata',  # IANA zones where the system has none, as in slim images.
]

EXTRAS_REQUIRE = {
  'kfp': ['tfx[kfp]>=1.16,<1.22'],
  'quantizer': ['ai-edge-quantizer>=0.10,<1'],  # 4-bit and weight-only schemes; not in the lock.
  'dev': [
    'lightgbm>=4,<5',  # The reference model of the benchmarks.
    'mypy>=1.11',
    'pandas-stubs',
    'pytest>=8',
    'pytest-timeout>=2',
    'pytest-xdist>=3',  # Both cores for the tests.
    'ruff>=0.6',
    'types-PyYAML',
  ],
}

setup(
  name='farelite',
  version=VERSION,
  description='A TFX pipeline that turns taxi rides into a fare model small enough for a phone.',
  python_requires='>=3.10,<3.12',
  packages=[
    'components',
    'components.anomaly_gate',
    'components.bigquery_ride_gen',
    'components.compression_gate',
    'components.dimensionality_reduction',
    'components.earlier',
    'components.fare_evaluator',
    'components.feature_engineering',
    'components.prediction',
    'components.pruning_trainer',
    'components.pusher',
    'components.quantization_rewriter',
    'components.quarantine_gate',
    'components.recipe_models',
    'components.ride_example_gen',
    'components.ride_schema',
    'components.served_model',
    'components.study',
    'components.study.blocks',
    'configs',
    'models',
    'models.compression',
    'models.lite',
    'models.reduction',
    'pipeline',
    'pipeline.rehearsal',
    'pipeline.report',
    'pipeline.report.charts',
    'pipeline.report.sections',
    'pipeline.retraining',
    'pipeline.schedule',
    'pipeline.study',
    'pipeline.targets',
    'transforms',
  ],
  package_data={
    'configs': ['*.yaml', 'recipes/*.yaml', 'schemes/*.yaml'],
    'pipeline.report': ['templates/*'],
  },
  install_requires=INSTALL_REQUIRES,
  extras_require=EXTRAS_REQUIRE,
  entry_points={'console_scripts': ['farelite = pipeline.cli:main']},
)
