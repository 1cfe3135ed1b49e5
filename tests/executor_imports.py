"""A program that imports whatever the compiled pipelines name, out of the project at `sys.argv[1]`."""

IMPORT_EXECUTORS = """
import json, pathlib, sys
from pipeline.local import terminal; terminal.prepare()
from configs import loading
from pipeline.sources import data_source
from pipeline.cloud.compiler import compile_pipeline
from pipeline.cloud.lint import lint
from pipeline.targets import Target
from tfx.utils import import_utils
config = loading.load('nyc', [
  'dataset.path=gs://shop/*.csv', 'platform.image=i', 'platform.pipeline_root=gs://shop'])
paths = set()
for target in (Target.VERTEX, Target.KFP):
  compiled = compile_pipeline(config, data_source(config.dataset.path), config.platform, target)
  assert lint(compiled) == []
  for executor in compiled.spec['deploymentSpec']['executors'].values():
    words = executor.get('container', {}).get('args', [])
    paths |= {words[words.index('--executor_class_path') + 1]} if words else set()
  for task in compiled.spec['root']['dag']['tasks'].values():
    parameters = task.get('inputs', {}).get('parameters', {})
    paths |= {parameters[k]['runtimeValue']['constant'] for k in ('run_fn', 'preprocessing_fn') if k in parameters}
for path in paths:
  import_utils.import_class_by_path(path)
assert pathlib.Path(sys.modules['components'].__file__).is_relative_to(sys.argv[1])
print(json.dumps(sorted(paths)))
"""
