"""The tft analyzers on data that leaves nothing to fit, run by Beam; oracle: exact zeros by definition."""

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from tests.transforms import oracle
from transforms import names
from transforms.engineering import catalogue
from transforms.preprocessing import preprocessing_fn

PLAIN = oracle.named_rides()['plain']
NOTHING = PLAIN | dict.fromkeys((*oracle.COORDINATES, 'passenger_count'), np.nan)
CONFIG = loading.load('nyc', ['features.buckets.enabled=true', 'features.buckets.count=3'])


@pytest.mark.parametrize(
  ('rides', 'bucket'),
  [
    pytest.param([PLAIN], (0, 2), id='single_row'),
    pytest.param([PLAIN] * 5, (0, 2), id='zero_variance'),
    pytest.param([NOTHING] * 5, (3, 3), id='all_missing'),
  ],
)
def test_what_never_varies_yields_exact_zeros(rides, bucket, tmp_path):
  import tensorflow_transform.beam as tft_beam
  from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

  custom_config = {
    'dataset': CONFIG.dataset.model_dump_json(),
    'features': CONFIG.features.model_dump_json(),
    'slices': CONFIG.evaluation.slices.model_dump_json(),
    'code_version': 'test',
  }
  spec = {name: tf.io.FixedLenFeature([], tf.int64 if name == 'pickup_seconds' else tf.float32) for name in PLAIN}
  metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
  with tft_beam.Context(temp_dir=str(tmp_path)):
    (rows, _), _ = (rides, metadata) | tft_beam.AnalyzeAndTransformDataset(
      lambda inputs: preprocessing_fn(inputs, custom_config)
    )
  assert len(rows) == len(rides)
  for row in rows:
    assert row[names.NUMERIC].shape == (len(catalogue(CONFIG.dataset, CONFIG.features)),)
    assert (row[names.NUMERIC] == 0).all()
    # Boundaries of one distinct value are that value, or unspecified where there is none.
    assert bucket[0] <= row['pickup_longitude_bucket'] <= bucket[1]
