"""RideExampleGen in TFX's own runner, driver, metadata store and compiler."""

import gzip
import json

import numpy as np
import pytest
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2

from components.ride_example_gen.component import RideExampleGen
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.quarantine import read_counts
from configs.loading import load
from tests.components.test_ride_example_gen import as_csv, put, read_back, ride, rides


@pytest.fixture
def run(tmp_path):
  """Runs a pipeline of the component and StatisticsGen; the executions and artifacts so far, by type."""
  connection = metadata.sqlite_metadata_connection_config(str(tmp_path / 'metadata.sqlite'))

  def run_once(pattern, *overrides, code_version='1', statistics=True):
    config = load('nyc', overrides)
    inputs = pattern if isinstance(pattern, dict) else {'rides': pattern}
    splits = [example_gen_pb2.Input.Split(name=name, pattern=below) for name, below in inputs.items()]
    example_gen = RideExampleGen(
      input_base=str(tmp_path / 'in'),
      input_config=example_gen_pb2.Input(splits=splits),
      dataset=config.dataset,
      split=config.split,
      code_version=code_version,
    )
    steps = [example_gen, *([StatisticsGen(examples=example_gen.outputs['examples'])] if statistics else [])]
    LocalDagRunner().run(
      pipeline.Pipeline(
        pipeline_name='rides',
        pipeline_root=str(tmp_path / 'root'),
        metadata_connection_config=connection,
        components=steps,
        enable_cache=True,
      )
    )
    with metadata.Metadata(connection) as handle:
      return {kind.name: handle.store.get_artifacts_by_type(kind.name) for kind in handle.store.get_artifact_types()}

  return run_once


def test_spans_statistics_and_cache(tmp_path, run):
  rows = list(rides(300))
  put(tmp_path / 'in/span-1/a.csv', as_csv(rows[:10]))
  put(tmp_path / 'in/span-2/a.csv', as_csv([*rows[:100], ride(fare_amount='-1')]))
  put(tmp_path / 'in/span-2/b.csv.gz', gzip.compress(as_csv(rows[100:])))
  artifacts = run('span-{SPAN}/*')
  (examples,), (quarantine,) = artifacts['Examples'], artifacts['components.Quarantine']
  assert examples.custom_properties['span'].int_value == 2
  assert examples.custom_properties['input_fingerprint'].string_value
  assert json.loads(examples.properties['split_names'].string_value) == ['train', 'eval']
  counts = read_counts(quarantine.uri)
  assert (counts.read, counts.kept, counts.quarantined) == (301, 300, {'fare_out_of_range': 1})
  sizes = {split: len(read_back(f'{examples.uri}/Split-{split}')['fare_amount']) for split in ('train', 'eval')}
  assert counts.splits == sizes
  assert len(artifacts['ExampleStatistics']) == 1

  # A share that only the gate knows does not ingest again; new code and new data do.
  assert len(run('span-{SPAN}/*', 'dataset.rules.max_quarantined_share=0.5')['Examples']) == 1
  assert len(run('span-{SPAN}/*', code_version='2', statistics=False)['Examples']) == 2
  put(tmp_path / 'in/span-2/c.csv', as_csv(rows[:1]))
  assert len(run('span-{SPAN}/*', code_version='2', statistics=False)['Examples']) == 3


def test_dates_take_the_latest_day(tmp_path, run):
  put(tmp_path / 'in/2024/02/28/a.csv', as_csv(rides(10)))
  put(tmp_path / 'in/2024/02/29/a.csv', as_csv(rides(20)))
  artifacts = run('{YYYY}/{MM}/{DD}/*.csv', statistics=False)
  # Oracle: TFX counts days since 1970, and `date -d 2024-02-29 +%s` / 86400 is 19782.
  assert artifacts['Examples'][0].custom_properties['span'].int_value == 19782
  assert read_counts(artifacts['components.Quarantine'][0].uri).read == 20


@pytest.mark.parametrize('pattern', ['*.csv', 'span-{SPAN}/*.csv'])
def test_no_file_matches(tmp_path, run, pattern):
  put(tmp_path / 'in/rides.txt', as_csv(rides(10)))
  with pytest.raises(IngestionError, match=r"No file matches '.*csv'; check the path and its wildcards"):
    run(pattern)


def test_a_span_that_is_no_number(tmp_path, run):
  put(tmp_path / 'in/span-x/a.csv', as_csv(rides(10)))
  with pytest.raises(IngestionError, match=r"No file matches .*'.*/in/span-x' \(it does not fit 'span-\{SPAN\}'\)"):
    run('span-{SPAN}/*.csv')


def test_a_window_trains_on_the_older_spans_and_evaluates_on_the_newest(tmp_path, run):
  """Oracle: which fares were put into which span."""
  rows = list(rides(60))
  for number, (start, end) in {7: (0, 20), 8: (20, 45), 9: (45, 60)}.items():
    put(tmp_path / f'in/span-{number}/a.csv', as_csv(rows[start:end]))
  window = {f'span-{number}': f'span-{number}/*' for number in (7, 8, 9)}
  options = {'statistics': False}
  [examples] = run(window, 'retraining.window=3', **options)['Examples']
  fares = {split: read_back(f'{examples.uri}/Split-{split}')['fare_amount'] for split in ('train', 'eval')}
  np.testing.assert_allclose(fares['train'], 3 + np.arange(45) / 100, rtol=1e-6)
  np.testing.assert_allclose(fares['eval'], 3 + np.arange(45, 60) / 100, rtol=1e-6)
  assert examples.custom_properties['span'].int_value == 9
  assert examples.custom_properties['input_fingerprint'].string_value.endswith('files:3')

  # What the split does not look at is no part of the key; a late file in an older span is.
  assert len(run(window, 'retraining.window=3', 'split.seed=5', **options)['Examples']) == 1
  put(tmp_path / 'in/span-7/late.csv', as_csv(rows[:1]))
  again = run(window, 'retraining.window=3', **options)
  assert len(again['Examples']) == 2
  assert sorted(read_counts(q.uri).kept for q in again['components.Quarantine']) == [60, 61]
