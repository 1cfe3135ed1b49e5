"""Packaging of Farelite; the top-level packages are named one by one, as TFX's own templates have them."""

import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

VERSION = '0.1.0'
ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')

# Two lanes of one code base, told by Python's version: tfx 1.21 first, tfx 1.16 for who is held to Python 3.10.
NEW = 'python_version >= "3.11"'
OLD = 'python_version < "3.11"'

INSTALL_REQUIRES = [
  f'tfx>=1.21,<1.22; {NEW}',
  f'tfx>=1.16,<1.17; {OLD}',
  f'tensorflow>=2.21,<2.22; {NEW}',
  f'tensorflow>=2.16,<2.17; {OLD}',
  f'tf-keras>=2.21,<2.22; {NEW}',  # Keras 2: the only one that tensorflow-model-optimization knows.
  f'tf-keras>=2.16,<2.17; {OLD}',
  f'tensorflow-transform>=1.21,<1.22; {NEW}',
  f'tensorflow-transform>=1.16,<1.17; {OLD}',
  f'apache-beam>=2.77,<2.78; {NEW}',
  f'apache-beam>=2.65,<2.69; {OLD}',  # 2.69 dropped dill, which TFX 1.16 imports.
  f'tensorboard>=2.21,<2.22; {NEW}',  # Named: TensorFlow 2.21 no longer brings it.
  f'tensorboard>=2.16,<2.17; {OLD}',
  # TFX fixes what is right of these; they are named because they are imported.
  'ml-metadata>=1.16,<1.22',
  'ml-pipelines-sdk>=1.16,<1.22',  # The half of tfx that its components are written in.
  'tensorflow-data-validation>=1.16,<1.22',
  'tensorflow-metadata>=1.16,<1.22',
  'tensorflow-model-analysis>=0.47,<0.53',
  'tensorflow-serving-api>=2.16,<3',  # The requests that TensorFlow Serving warms up with.
  'tfx-bsl>=1.16,<1.22',
  'absl-py>=1.4,<2',  # The flags of a step's entry in the cloud are TFX's own.
  'protobuf>=3.20.3,<7',
  f'pyarrow>=14.0.1,<19; {NEW}',
  f'pyarrow>=10,<19; {OLD}',
  f'pyarrow-hotfix>=0.7,<1; {OLD}',  # pyarrow before 14.0.1 runs code from a hostile Parquet file (CVE-2023-47248).
  'numpy>=1.26,<3',
  'packaging>=22',  # Reads the pins of the rehearsal's image.
  'scipy>=1.12,<2',
  'tensorflow-model-optimization>=0.8,<0.9',
  'setuptools>=68',  # What brings `distutils` back, which the line above imports and Python 3.12 has no more.
  'flatbuffers>=24',  # Reads the operators of a lite file.
  'google-crc32c>=1.5,<2',  # The checksums of TFRecords; Google's own clients bring it anyway.
  'isal>=1.5,<2',  # gzip in a third of zlib's time; TensorFlow reads it as any other.
  'google-api-core>=2,<3',
  'google-auth>=2,<3',
  'google-cloud-aiplatform>=1.60,<2',
  'google-cloud-bigquery>=3,<4',
  'requests>=2.32,<3',
  'urllib3>=1.26,<3',
  'pydantic>=2.7,<3',  # Typed configs that tell all errors at once.
  'pydantic-core>=2.18,<3',  # Where an error of one's own comes from; each pydantic has its own of it.
  'PyYAML>=6,<7',
  'click>=8,<9',  # The command line; kfp brings it anyway, and it imports in 50 ms.
  'rich>=13,<16',  # The live view, tables, progress.
  'scikit-learn>=1.4,<2',  # Projections and feature selection; TFX's analyzers bring it anyway.
  'cronsim>=2.6,<2.8',  # When a cron expression fires. 2.8 takes days that never come, such as 30 February.
  'Jinja2>=3.1,<4',  # The report's templates; TFX brings it anyway, and it escapes what it is given.
  'MarkupSafe>=2,<4',  # The same escaping outside a template, as in charts.
  'portalocker>=2.8,<5',  # One run at a time on an output directory.
  'ai-edge-litert>=2',  # What clients of the model run it with; TensorFlow's own interpreter is on its way out.
  'tzdata',  # IANA zones where the system has none, as in slim images.
]

EXTRAS_REQUIRE = {
  # By its own name: the extra of tfx 1.21 leaves it out from Python 3.12 on.
  'kfp': [
    f'kfp>=2.16,<2.17; {NEW}',
    f'kfp-pipeline-spec>=2.16,<2.17; {NEW}',
    f'kfp>=2.5,<2.6; {OLD}',
    f'kfp-pipeline-spec>=0.2.2,<0.3; {OLD}',
    'kfp-server-api>=2,<3',
  ],
  # 4-bit and weight-only schemes; the newer name has no release for protobuf 3, so the old lane's lock is without.
  'quantizer': [
    f'litert-quantizer>=0.11,<1; {NEW}',
    f'ai-edge-quantizer>=0.10,<1; {OLD}',
  ],
  # What `farelite serve` answers with.
  'serve': [
    'fastapi>=0.162,<0.166',  # Python 3.10 gets 0.162.5, the last for it.
    'uvicorn>=0.54,<1',
    'httptools>=0.8,<1',  # Parses HTTP in C; uvicorn takes it where it is there.
    'uvloop>=0.21,<1; sys_platform != "win32"',  # The same for the event loop.
    'prometheus-client>=0.21,<1',
  ],
  # Mail and chat for `notify.apprise`.
  'notify': ['apprise>=1.9,<3'],
  # What `tracking.mlflow` logs with: the client without server, database and models.
  'tracking': ['mlflow-skinny>=3.5,<4'],
  'dev': [
    'cryptography>=42',  # Keys of made service accounts.
    'google-cloud-bigquery-storage>=2,<3',  # Its messages, for the stand-in of BigQuery.
    'grpcio>=1.50,<2',
    'h5py>=3',  # Weights of a model, compared by a benchmark.
    'ipykernel>=6,<7',  # Runs the cells of the example notebook.
    'jsonschema>=4.20,<5',  # The presets against the schema that editors take.
    'nbclient>=0.10,<1',  # Executes the example notebook.
    'nbformat>=5,<6',  # Reads it.
    'hypothesis>=6.100,<7',  # Any bytes for whatever reads a file; it shrinks what it finds.
    'lightgbm>=4,<5',  # The reference model of the benchmarks.
    f'litert-quantizer>=0.11,<1; {NEW}',
    'matplotlib>=3.8,<4',  # Points in polygons, as an oracle of the zones.
    'mlflow-skinny>=3.5,<4',
    'mypy>=1.11',
    'pandas>=1.5,<3',
    'pandas-stubs',
    'pyfarmhash',  # Which one, requirements/overrides.txt says.
    'pytest>=8',
    'pytest-timeout>=2',
    'pytest-xdist>=3',  # Both cores for the tests.
    'ruff>=0.6',
    'types-PyYAML',
  ],
}


class FreshBuild(build_py):
  """Builds into an empty folder, so that a module that has moved is not in the wheel under its old name, too."""

  def run(self) -> None:
    if not self.editable_mode:
      shutil.rmtree(self.build_lib, ignore_errors=True)
    super().run()


setup(
  name='farelite',
  version=VERSION,
  description='A TFX pipeline that turns taxi rides into a fare model small enough for a phone.',
  author='The Farelite developers',
  license='Apache-2.0',
  classifiers=[
    'Development Status :: 4 - Beta',
    'Intended Audience :: Developers',
    'Operating System :: POSIX :: Linux',
    'Operating System :: MacOS',
    *(f'Programming Language :: Python :: 3.{minor}' for minor in (10, 11, 12, 13)),
    'Topic :: Scientific/Engineering :: Artificial Intelligence',
    'Typing :: Typed',
  ],
  python_requires='>=3.10,<3.14',
  packages=[name for room in ROOMS for name in find_packages(include=[room, f'{room}.*'])],
  package_data={
    '': ['py.typed'],
    'configs': ['*.yaml', 'recipes/*.yaml', 'schemes/*.yaml'],
    'pipeline.report': ['templates/*', 'runtime/*'],  # The second one is there after `make page`.
  },
  cmdclass={'build_py': FreshBuild},
  install_requires=INSTALL_REQUIRES,
  extras_require=EXTRAS_REQUIRE,
  entry_points={'console_scripts': ['farelite = pipeline.cli:main']},
)
