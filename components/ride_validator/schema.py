"""What the canonical ride must look like, written down from the config and never inferred from the rides it checks."""

from __future__ import annotations

import datetime

from tensorflow_metadata.proto.v0 import schema_pb2

from configs.base import Interval
from configs.dataset import EPOCH, LABEL, PASSENGERS, RAW_INPUTS, TIME, Dataset, Rules
from configs.validation import Validation


def ride_schema(dataset: Dataset, validation: Validation) -> schema_pb2.Schema:
  """The schema of the Examples that hold canonical rides.

  Every column is dense: present in each ride, one value, shape `[]`, so that TensorFlow parses it as
  `FixedLenFeature([])`. A missing number travels as an explicit NaN, which is valid in every input (how many of them is
  a matter of `validation.max_missing_share`) and an error in the label. Infinity is an error everywhere.

  Drift and skew are the Jensen-Shannon divergence of TFDV's histograms, on every column but `pickup_seconds`: a new
  span is a new time, and so is the eval split of a chronological split, so there it means nothing. Continuous columns
  are compared by quantiles, as a few far rides stretch ten equal bins until they hold no shape. Over 20 random 80/20
  splits of the real New York rides, the coordinates' largest divergence is 0.15 by quantiles and 0.34 by equal bins;
  moved by one standard deviation, their smallest one is 0.36 and 0.09. Counts and codes are compared by equal bins, as
  quantiles of few distinct values jump. The divergence does not see NaN: the anomaly gate compares the shares of
  missing values itself.

  Args: dataset: its rules give the domains, its extras further columns.
  Returns: INT for `pickup_seconds`, FLOAT for the rest, categorical codes included, as NaN is what misses; the inputs
    in the order of `dataset.raw_inputs()`, then the label.
  """
  schema = schema_pb2.Schema()
  for name in RAW_INPUTS:
    _add(schema, name, validation, **_domain(name, dataset.rules))
  for extra in dataset.extras:
    few, valid = extra.kind == 'categorical', dataset.rules.interval(extra.name)
    ends = {'min': valid.min, 'max': valid.max} if valid else {}
    # A code may be `len(vocabulary)`: any other value.
    ends = {'min': 0, 'max': len(extra.vocabulary)} if few else ends
    _add(schema, extra.name, validation, few, float_domain=schema_pb2.FloatDomain(**ends, disallow_inf=True))
  label = _floats(dataset.rules.fare)
  label.disallow_nan = True
  _add(schema, LABEL, validation, float_domain=label)
  return schema


def _add(
  schema: schema_pb2.Schema,
  name: str,
  validation: Validation,
  few: bool = False,
  **domain: schema_pb2.FloatDomain | schema_pb2.IntDomain,
) -> None:
  """Adds one dense column; `few`: it has few distinct values."""
  kind = schema_pb2.INT if 'int_domain' in domain else schema_pb2.FLOAT
  feature = schema.feature.add(name=name, type=kind, **domain)
  feature.shape.SetInParent()
  feature.presence.min_fraction = 1.0
  feature.presence.min_count = 1
  if name != TIME:
    source = schema_pb2.HistogramSelection(type='STANDARD' if few or name == PASSENGERS else 'QUANTILES')
    _compare(feature.drift_comparator, validation.drift_threshold, source)
    _compare(feature.skew_comparator, validation.skew_threshold, source)


def _compare(comparator: schema_pb2.FeatureComparator, threshold: float, source: schema_pb2.HistogramSelection) -> None:
  comparator.jensen_shannon_divergence.threshold = threshold
  comparator.jensen_shannon_divergence.source.CopyFrom(source)


def _domain(name: str, rules: Rules) -> dict[str, schema_pb2.FloatDomain | schema_pb2.IntDomain]:
  if name == TIME:
    after = rules.latest + datetime.timedelta(days=1)
    return {'int_domain': schema_pb2.IntDomain(min=_seconds(rules.earliest), max=_seconds(after) - 1)}
  if name == PASSENGERS:
    return {'float_domain': _floats(rules.passengers)}
  bounds = rules.bounds.longitude if name.endswith('longitude') else rules.bounds.latitude
  return {'float_domain': _floats(bounds)}


def _seconds(day: datetime.date) -> int:
  """Seconds from the epoch of `pickup_seconds` to the start of a day."""
  return (day - EPOCH.date()).days * 86_400


def _floats(valid: Interval) -> schema_pb2.FloatDomain:
  return schema_pb2.FloatDomain(min=valid.min, max=valid.max, disallow_inf=True)
