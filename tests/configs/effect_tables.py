"""When each setting of a config has an effect, and what reads it: the tables of `test_effects.py`.

A setting stands in one of three. `ALWAYS`: it has an effect whatever the others are. `SOMETIMES`: others decide, and
where they leave it without one, it is refused with the mend. `NAMED`: the same for recipes and schemes. To add one,
write it into `ALWAYS` by its section, or give it a `Case`: a value, overrides that take its effect away, and overrides
that give it one. `HOLDERS` and `READ_BY` are for what is not read as `section.setting`.
"""

from typing import NamedTuple

ALWAYS = {
  '': 'name',
  'dataset': 'name path missing known_after_ride currency',
  'dataset.bigquery': 'query table temp_dataset version',
  'dataset.numbers': 'decimal thousands signs',
  'dataset.places': 'pickup dropoff zones',
  'dataset.columns': 'fare_amount pickup_longitude pickup_latitude dropoff_longitude dropoff_latitude '
  'passenger_count key',
  'dataset.time': 'column encoding format clock time_zone',
  'dataset.extras': 'name column kind vocabulary unit meaning',
  'dataset.rules': 'extras earliest latest max_quarantined_share',
  'dataset.rules.fare': 'min max',
  'dataset.rules.bounds.longitude': 'min max',
  'dataset.rules.bounds.latitude': 'min max',
  # Facts of a city; `farelite study` looks at all of them, whatever features are on.
  'dataset.city': 'center_latitude center_longitude grid_rotation_degrees tariff_changes windows',
  'dataset.city.landmarks': 'name latitude longitude airport',
  'dataset.city.zones': 'name polygon',
  'split': 'eval_share',  # A window of one span so far is divided by it, too.
  'validation': 'severity max_missing_share drift_threshold skew_threshold',
  'features.raw': 'enabled',
  'features.passengers': 'enabled',
  'features.temporal': 'enabled',
  'features.geographic': 'enabled',
  'features.buckets': 'enabled',
  'features.crosses': 'enabled',
  'reduction': 'method',
  'model': 'hidden activation l2',
  'training': (
    'epochs steps sample_rides memory_mb batch_size learning_rate warmup weight_decay loss warm_start seed serve'
  ),
  'training.early_stopping': 'enabled',
  'training.recipes': 'name summary',
  'training.recipes.pruning': 'structure layers',
  'training.recipes.clustering': 'clusters initialization layers',
  'training.recipes.quantization': 'layers',
  **{
    f'training.recipes.{technique}.fine_tuning': 'epochs steps learning_rate weight_decay'
    for technique in ('pruning', 'clustering', 'quantization')
  },
  'evaluation': 'judged_rides max_rmse max_rmse_increase min_rides min_time_stamps bootstrap',
  'evaluation.slices': 'hours distance_km columns',
  'compression': 'keep_names objective validation_rides',
  'compression.metadata': 'enabled',
  'compression.schemes': 'name summary precision tolerance',
  'compression.budget': 'rmse_ratio worst_slice_ratio bytes gzip_bytes latency_us',
  'compression.measurement': 'rounds calls batch threads',
  'serving.shadow': 'enabled',
  'beam': 'engine extra',
  'metadata': 'kind',
  'retention': 'runs versions max_age_days reports',
  'notify': 'command apprise prometheus',
  'notify.webhook': 'url headers retries timeout',
  # The command line names the target: one config may hold the settings of both.
  'platform': 'image pipeline_root serving',
  'platform.vertex': 'project region service_account network kms_key endpoint',
  'platform.vertex.registration': 'display_name',
  'platform.kfp': 'endpoint namespace experiment service_account',
  'tracking.mlflow': 'uri',
  'tracking.openlineage': 'url',
  'study': 'blocks seeds first_seed folds max_rides',
}  # fmt: skip


class Case(NamedTuple):
  """When a setting has an effect.

  Attributes:
    value: YAML of one that is not the default.
    off: overrides with which it is refused.
    on: overrides with which it has an effect.
    says: what the refusal says besides the setting.
    gives_way: whether what comes in a later layer may take its effect away.
  """

  value: str
  off: tuple[str, ...]
  on: tuple[str, ...]
  says: str = 'has no effect'
  gives_way: bool = True


def _cases(values, off, on, says='has no effect'):
  """The same case for several settings, by name."""
  return {name: Case(value, tuple(off), tuple(on), says) for name, value in values.items()}


def _switched(section, **values):
  switch = f'{section}.enabled'
  names = {f'{section}.{name}': value for name, value in values.items()}
  return _cases(names, [f'{switch}=false'], [f'{switch}=true'], f'while {switch} is false')


def _asked(block, **values):
  names = {f'study.{block}.{name}': value for name, value in values.items()}
  return _cases(names, ['study.blocks=[references]'], [f'study.blocks=[{block}]'], f'while study.blocks lacks {block}')


def _engine(engine, needs=(), **values):
  names = {f'beam.{engine}.{name}': value for name, value in values.items()}
  other = 'dataflow' if engine == 'direct' else 'direct'
  on = [f'beam.engine={engine}', *(f'beam.{engine}.{need}' for need in needs)]
  return _cases(names, [f'beam.engine={other}'], on, f'while beam.engine is {other}; set that to {engine}')


def _workers(engine, *needs):
  return {
    **_engine(engine, needs, environment_type='LOOPBACK', sdk_worker_parallelism='2', sdk_container_image='x'),
    **_engine(engine, (*needs, 'environment_type=EXTERNAL'), environment_config='a:1'),
  }


BIGQUERY = 'dataset.bigquery={table: shop.rides.taxi}'
SPANS = 'dataset.path="rides/{SPAN}/*.csv"'
NO_METHOD, BUCKETS = 'reduction.method=none', 'features.buckets.enabled=true'
SERVER = ('metadata.kind=mysql', 'metadata.host=db', 'metadata.database=ml', 'metadata.user=me')
WITHOUT_NUMBERS = (
  *(f'features.{block}.enabled=false' for block in ('raw', 'passengers', 'temporal', 'geographic')),
  'features.crosses={enabled: true, crosses: [hour_of_week]}',
)
NO_EMBEDDING = ('reduction.method=svd', 'reduction.categoricals=true')

SOMETIMES = {
  'dataset.numbers.columns': Case('[fare_amount]', ('dataset.numbers.signs=[]',), ("dataset.numbers.signs=['$']",)),
  'dataset.format': Case('csv', (BIGQUERY,), (), 'on rides from dataset.bigquery'),
  'dataset.delimiter': Case('";"', ('dataset.format=parquet',), (), 'on Parquet (dataset.format, or'),
  **_cases(
    {'dataset.rules.passengers.min': '1', 'dataset.rules.passengers.max': '6'},
    ['dataset.columns.passenger_count=null'],
    [],
  ),
  'split.method': Case('hash', ('retraining.window=2',), (), 'with a retraining.window of 2 spans'),
  'split.seed': Case('7', ('split.method=chronological',), ('split.method=hash',), 'which draws nothing'),
  **_switched('features.temporal', rush_hours='[[7, 9]]', cyclic='false'),
  **_switched('features.geographic', max_distance_km='9', landmark_cap_km='9', proximity_km='9'),
  **_switched('features.buckets', count='7', fit='equal_width', embedding='3'),
  **_switched('features.crosses', crosses='[cell_pair]', embedding='{pickup_cell: 3}', max_exact='2000'),
  **_cases(
    {'components': '8', 'sample': '99', 'seed': '3', 'whiten': 'false', 'engine': 'tft'}, [NO_METHOD],
    ['reduction.method=pca'], 'while reduction.method is none; set a method (pca, …), or remove reduction.',
  ),
  'threshold': Case('0.1', (NO_METHOD,), ('reduction.method=variance',)),
  'fare_bands': Case('5', (NO_METHOD,), ('reduction.method=lda',)),
  **_cases({'shift': 'false', 'iterations': '7'}, ['reduction.method=pca'], ['reduction.method=nmf'], 'only with nmf'),
  'scorer': Case('linear', ('reduction.method=pca',), ('reduction.method=rfe',), 'only with permutation and rfe'),
  'categoricals': Case('true', (NO_METHOD,), ('reduction.method=svd', BUCKETS)),
  'model.clip': Case('3', WITHOUT_NUMBERS, (), 'no feature block and no extra column yields a number'),
  'model.dropout': Case('0.1', ('model.hidden=[8]',), ('model.hidden=[8, 8]',), 'with a single layer'),
  'training.huber_delta': Case('2', ('training.loss=mse',), ('training.loss=huber',), 'while training.loss is mse'),
  'training.huber_delta_share': Case(
    '0.5', ('training.huber_delta=4',), ('training.huber_delta=null',), 'while training.huber_delta is set'
  ),
  'evaluation.max_rmse_share': Case(
    '0.5', ('evaluation.max_rmse=4',), ('evaluation.max_rmse=null',), 'while evaluation.max_rmse is set'
  ),
  'training.max_steps': Case(
    '9', ('training.epochs=null', 'training.steps=9', 'training.recipes=[dense]'), ('training.epochs=3',),
    'while no training has epochs',
  ),
  **_switched('training.early_stopping', patience='2', holdout='0.2'),
  **_switched('compression.metadata', license='CC0-1.0'),
  **_switched(
    'serving.shadow', apart='0.3', max_mean_difference='0.1', max_share_apart='0.1', max_slice_difference='0.2'
  ),
  'evaluation.slices.airport_km': Case('3', ('dataset.city.landmarks=[]',), (), 'is an airport; name one there'),
  **_cases(
    {'validation.leakage': 'stop', 'validation.drift_stops': 'true'}, ['validation.severity=never'],
    ['validation.severity=error'], 'while validation.severity is never, with which no finding stops a run',
  ),
  'validation.max_off_day_share': Case(
    '0.2', ('dataset.path=rides.csv',), ('dataset.path="rides/{YYYY}/{MM}/{DD}/*.csv"',), 'without which no ride has'
  ),
  'compression.budget.min_slice_rides': Case('9', ('compression.budget.worst_slice_ratio=null',), ()),
  'compression.budget.judged_on': Case(
    'significant', ('compression.budget.rmse_ratio=null', 'compression.budget.worst_slice_ratio=null'), ()
  ),
  'compression.calibration_rides': Case(
    '9', ('compression.schemes=[float32]',), ('compression.schemes=[int8]',), 'takes ranges from rides, as int8 does'
  ),
  **_engine('direct', direct_running_mode='multi_threading'),
  **_engine('direct', ['direct_running_mode=multi_threading'], direct_num_workers='2'),
  'beam.in_memory_rides': Case('9', ('beam.engine=flink', 'beam.flink.flink_master=a'), ('beam.engine=direct',)),
  **_workers('portable', 'job_endpoint=a:1'),
  **_engine('portable', ['job_endpoint=a:1'], job_endpoint='b:1', artifact_endpoint='b:2'),
  **_engine(
    'dataflow', project='x', region='x', temp_location='gs://x', staging_location='gs://x', sdk_container_image='x',
    service_account_email='x', machine_type='x', num_workers='2', max_num_workers='2', disk_size_gb='9', network='x',
    subnetwork='x', use_public_ips='false',
  ),
  **_workers('flink', 'flink_master=a:1'),
  **_engine(
    'flink', ['flink_master=a:1'], flink_master='b:1', flink_version='"1.18"', flink_job_server_jar='x',
    flink_submit_uber_jar='true', parallelism='2', max_parallelism='2',
  ),
  **_workers('spark', 'spark_master_url=a:1'),
  **_engine(
    'spark', ['spark_master_url=a:1'], spark_master_url='b:1', spark_version='"3"', spark_job_server_jar='x',
    spark_submit_uber_jar='true', spark_rest_url='x',
  ),
  'beam.components': Case(
    '{DimensionalityReduction: {extra: {experiments: [x]}}}', (NO_METHOD,), ('reduction.method=pca',), 'that step out'
  ),
  **_cases({'metadata.host': 'a', 'metadata.database': 'a', 'metadata.user': 'a', 'metadata.port': '9'},
           ['metadata.kind=sqlite'], SERVER, 'is for a server'),
  **_cases(
    {f'platform.vertex.registration.{name}': value for name, value in {
      'container': 'b', 'parent': 'a', 'default': 'false', 'aliases': '[canary]', 'labels': '{team: fares}',
      'copies': 'gs://a/b'}.items()},
    ['platform.vertex.registration.display_name=null'],
    ['platform.vertex.registration.display_name=fares', 'platform.vertex.registration.container=a'],
    'while display_name is null',
  ),
  **_cases(
    {'tracking.mlflow.experiment': 'fares', 'tracking.mlflow.registered_model': 'fares'},
    ['tracking.mlflow.uri=null'], ['tracking.mlflow.uri=http://mlflow:5000'], 'while uri is null',
  ),
  'retention.after_run': Case('true', ('retention.runs=null',), ('retention.runs=3',), 'has no effect without'),
  **_cases({f'retraining.triggers.{name}': value for name, value in
            {'new_rows': '9', 'drift': 'false', 'max_age_days': '9'}.items()},
           ['dataset.path=rides.csv'], [SPANS], 'while dataset.path has no spans'),
  'retraining.exclude': Case('[7]', ('dataset.path=rides.csv',), (SPANS,), 'while dataset.path has no spans'),
  'retraining.window': Case('3', ('dataset.path=rides.csv',), (SPANS,), 'dataset.path (--data) has no spans', False),
  'notify.on': Case('[failed]', ('notify.command=null',), ('notify.command=[x]',), 'without a command, a webhook'),
  **_cases({'notify.stale.days': '3', 'notify.stale.not_blessed': '3'}, ['notify.command=null'],
           ['notify.command=[x]'], 'without a command, a webhook or apprise'),
  **_asked('dimensions', features='[3]', noise='[9]', training_rides='[99]'),
  **_asked('reductions', methods='[pca]', shares='[0.5]', tested_folds='1'),
  **_asked('embeddings', widths='[1]', crosses='[cell_pair]'),
  **_asked('compression', recipes='[qat]', schemes='[int8]', tested_folds='1'),
}  # fmt: skip
SOMETIMES = {name if '.' in name else f'reduction.{name}': case for name, case in SOMETIMES.items()}

BESIDE = [
  ('training.huber_delta_share', Case('0.5', ('training.loss=mse', 'training.huber_delta=null'),
                                      ('training.loss=huber', 'training.huber_delta=null'), 'training.loss is mse')),
  ('features.buckets.count', Case('7', ('features.buckets.enabled=false',), ('features.crosses.enabled=true',))),
  ('features.buckets.count', Case('7', ('features.crosses={enabled: true, crosses: [hour_of_week]}',),
                                  ('features.crosses.enabled=true',))),
  ('features.buckets.embedding', Case('3', (*NO_EMBEDDING, BUCKETS), (BUCKETS,), 'which leaves no embedding')),
  ('features.crosses.embedding.cell_pair', Case(
    '3', ('features.crosses.enabled=true', 'features.crosses.crosses=[pickup_cell]'),
    ('features.crosses={enabled: true, crosses: [cell_pair]}',), 'while that cross is not among')),
  ('features.geographic.proximity_km', Case('3', ('dataset.city.landmarks=[]',), (), 'name a landmark there')),
  ('dataset.delimiter', Case('";"', (BIGQUERY,), (), 'on rides from dataset.bigquery')),
  ('dataset.delimiter', Case('";"', ('dataset.path=rides/*.parquet',), ('dataset.path=rides/*.csv',), 'on Parquet')),
  ('validation.max_off_day_share', Case('0.2', (BIGQUERY,), ('dataset.path=null',))),
  ('features.crosses.max_exact', Case('2000', ('features.crosses={enabled: true, crosses: [hour_of_week]}',),
                                      ('features.crosses.enabled=true',), 'while no cross has cells')),
  ('split.method', Case('chronological', ('retraining.window=2',), ())),
  ('reduction.threshold', Case('0.1', ('reduction.method=pca',), ('reduction.method=l1',), 'has no meaning')),
  *((f'notify.stale.{name}', Case('3', ('notify.command=[x]', 'notify.on=[failed]'), ('notify.command=[x]',),
                                  "while notify.on lacks 'stale'")) for name in ('days', 'not_blessed')),
  ('retraining.triggers.drift', Case('false', (BIGQUERY,), ('dataset.path=null',))),
  ('beam.components.BaseEvaluator', Case('{extra: {experiments: [x]}}', ('training.serve=dense',),
                                         ('training.serve=pqat_80',))),
  *((f'beam.{place}dataflow.region', Case('x', ('beam.components.StatisticsGen.engine=direct',),
                                          ('beam.components.StatisticsGen.engine=dataflow',)))
    for place in ('', 'components.StatisticsGen.')),
  *((f'beam.flink.{name}', Case(value, ('beam.engine=flink', 'beam.flink.flink_master=a', off),
                                ('beam.engine=flink', 'beam.flink.flink_master=a', on), 'environment_type is not'))
    for name, value, off, on in [
      ('environment_config', 'a:1', 'beam.flink.environment_type=LOOPBACK', 'beam.flink.environment_type=EXTERNAL'),
      ('sdk_container_image', 'x', 'beam.flink.environment_type=LOOPBACK', 'beam.flink.environment_type=DOCKER')]),
  *((f'study.{block}.tested_folds', Case('4', ('study.folds=3',), (), 'must be at most study.folds'))
    for block in ('reductions', 'compression')),
]  # fmt: skip
"""Other ways to leave a setting without effect."""

NAMED = {
  'training.recipes.pruning.final_sparsity': ({'final_sparsity': 0.5}, {'layers': {'dense_0': 0.3}}),
  **{f'training.recipes.pruning.{name}': ({'final_sparsity': 0.5, name: value}, idle) for name, value, idle in [
    ('schedule', 'constant', {'structure': '2:4'}),
    ('initial_sparsity', 0.2, {'schedule': 'constant'}),
    ('begin', 0.1, {'structure': '2:4'}),
    ('end', 0.5, {'structure': '2:4'}),
    ('power', 2.0, {'schedule': 'constant'}),
    ('frequency', 5, {'structure': '2:4'}),
  ]},
  'training.recipes.quantization.quantize_configs': (
    {'layers': ['clip', 'dense_0'], 'quantize_configs': {'clip': 'a.B'}}, {'layers': ['dense_0']}),
  **{f'compression.schemes.{name}': ({'precision': 'int8', **values}, idle) for name, values, idle in [
    ('float_layers', {'float_layers': ['fare']}, {'precision': 'float32'}),
    ('integer_only', {'integer_only': True}, {'precision': 'float16'}),
    ('sparse', {'sparse': True, 'precision': 'float32'}, {'precision': 'float16'}),
    ('per_channel', {'per_channel': True, 'precision': 'dynamic_range'}, {'precision': 'float16'}),
    ('calibration.rides', {'calibration': {'rides': 500}}, {'precision': 'float16'}),
    ('calibration.longest', {'calibration': {'rides': 500, 'longest': 5}}, {'calibration': {'longest': 5}}),
    ('calibration.seed', {'calibration': {'rides': 500, 'seed': 5}}, {'calibration': {'seed': 5}}),
  ]},
}  # fmt: skip
"""Settings of a recipe's technique or of a scheme: one with an effect, and what takes it away."""


HOLDERS = {
  '': 'config', 'dataset.numbers': 'notation',
  'dataset.bigquery': 'source', 'dataset.extras': 'extra', 'dataset.city.landmarks': 'mark',
  'dataset.city.zones': 'zone', 'features.temporal': 'block', 'features.geographic': 'block', 'model': 'config',
  'notify.stale': 'limits', 'training': 'config', 'metadata': 'server', 'retention': 'limits', 'beam': 'settings',
  'training.recipes': 'recipe', 'compression.schemes': 'scheme', 'study.reductions': 'sweep',
  'study.compression': 'sweep', **{f'dataset.rules.{name}': 'interval' for name in
                                   ('fare', 'bounds.longitude', 'bounds.latitude', 'passengers')},
  **{f'training.recipes.{name}.fine_tuning': 'config' for name in ('pruning', 'clustering', 'quantization')},
}  # fmt: skip
"""What the holder of a section is called where it is read; by default it has the section's own name."""

READ_BY = {
  'dataset.numbers.columns': 'notation_of',
  'dataset.columns': 'source_columns', 'dataset.extras.column': 'source_columns',
  'dataset.places.pickup': 'source_columns', 'dataset.places.dropoff': 'source_columns',
  'beam.in_memory_rides': 'beam.rides_in_memory', 'reduction.threshold': 'reduction.least',
  'reduction.categoricals': 'reduction.takes_categoricals',
  'training.serve': 'training.served_recipe', 'training.recipes.pruning.final_sparsity': 'pruning.targets',
  'training.recipes.pruning.begin': 'pruning_steps', 'training.recipes.pruning.end': 'pruning_steps',
  'training.recipes.pruning.frequency': 'pruning_steps', 'features.geographic.enabled': 'block.enabled',
  'features.buckets.embedding': 'categorical_sizes', 'features.crosses.embedding': 'categorical_sizes',
  'tracking.mlflow.experiment': 'settings.experiment', 'tracking.mlflow.registered_model': 'settings.registered_model',
  'metadata.database': 'metadata.database', 'retention.after_run': 'retention.after_run',
  'features.crosses.max_exact': 'cross_size', 'beam.components': 'beam.of', 'metadata.kind': 'metadata.kind',
  'training.warm_start': 'training.warm_start',
  **{f'beam.{engine}': 'chosen.model_dump' for engine in ('direct', 'portable', 'dataflow', 'flink', 'spark')},
}  # fmt: skip
"""What reads a setting, or all below a key, where that is no attribute of its section."""

READ_IN_CONFIGS = {'dataset.known_after_ride'}
"""Settings that only say what is refused."""
