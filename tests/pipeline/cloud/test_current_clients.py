"""The compiled pipelines in the backends' clients as they are published today, each in a throw-away environment."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from pipeline.cloud.compiled import write_compiled
from pipeline.targets import Target

LOAD = {
  'kfp': """
import json, sys, kfp, kfp.components
from kfp.pipeline_spec import pipeline_spec_pb2
from google.protobuf import json_format
import yaml
spec = json_format.ParseDict(yaml.safe_load(open(sys.argv[1])), pipeline_spec_pb2.PipelineSpec())
component = kfp.components.load_component_from_file(sys.argv[1])
assert component.pipeline_spec.schema_version == '2.1.0'
print(kfp.__version__, len(component.pipeline_spec.root.dag.tasks))
""",
  'google-cloud-aiplatform[pipelines]': """
import sys
from google.auth import credentials
from google.cloud import aiplatform
job = aiplatform.PipelineJob(display_name='nyc', template_path=sys.argv[1], project='shop', location='europe-west4',
                             credentials=credentials.AnonymousCredentials())
tasks = job._gca_resource.pipeline_spec['root']['dag']['tasks']
assert job._gca_resource.runtime_config.gcs_output_directory == 'gs://shop-farelite/runs'
print(aiplatform.__version__, len(tasks))
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(
  ('package', 'target'),
  [
    pytest.param('kfp', Target.KFP, id='kfp'),
    pytest.param('google-cloud-aiplatform[pipelines]', Target.VERTEX, id='vertex'),
  ],
)
def test_the_newest_release_loads_it(package: str, target: Target, pipelines, tmp_path: pathlib.Path):
  environment = tmp_path / 'environment'
  subprocess.run([sys.executable, '-m', 'venv', str(environment)], check=True)
  python = str(environment / 'bin' / 'python')
  subprocess.run([python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-U', package], check=True)
  path = tmp_path / f'pipeline.{"json" if target is Target.VERTEX else "yaml"}'
  write_compiled(pipelines[target], path)
  loaded = subprocess.run([python, '-c', LOAD[package], str(path)], capture_output=True, text=True, check=False)
  assert loaded.returncode == 0, loaded.stderr[-2000:]
  version, tasks = loaded.stdout.split()
  print(f'{package} {version}')
  assert int(tasks) == len(pipelines[target].spec['root']['dag']['tasks'])
