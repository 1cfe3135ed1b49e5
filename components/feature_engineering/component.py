"""The component: configs in, a Transform that knows its preprocessing function."""

from __future__ import annotations

from tfx import types
from tfx.components.transform.component import Transform
from tfx.dsl.components.base import executor_spec

from components.feature_engineering.executor import FeatureEngineeringExecutor
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import Part


class FeatureEngineering(Transform):
  """Fits and applies the engineered features.

  Outputs, as `Transform` has them: `transform_graph` and
  `transformed_examples`, whose columns `transforms.names` lists.

  The component's own statistics are off: StatisticsGen has described the raw
  rides, and standardized features tell a person nothing further.
  """

  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(FeatureEngineeringExecutor)
  USER_FN = 'transforms.preprocessing.preprocessing_fn'
  """What the executor calls."""
  DATASET = Part(
    Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'rules.bounds', 'city'
  )
  """What `USER_FN` reads."""

  def __init__(
    self,
    *,
    examples: types.BaseChannel,
    schema: types.BaseChannel,
    dataset: Dataset,
    features: Features,
    slices: Slices,
    code_version: str,
  ) -> None:
    """Makes the component.

    Args:
      examples: canonical rides with a `train` split, which is analyzed; every
        split is transformed.
      schema: the schema of the canonical rides.
      dataset: the source; `DATASET` of it becomes part of the component, so
        another path or fare limit does not refit by itself.
      features: which blocks are on.
      slices: how the evaluation is sliced.
      code_version: a digest of the code behind the preprocessing function. The
        function is named by a dotted path, which stays the same when its code
        changes; the digest makes the cache notice.
    """
    super().__init__(
      examples=examples,
      schema=schema,
      preprocessing_fn=self.USER_FN,
      custom_config={
        'dataset': self.DATASET.dump(dataset),
        'features': features.model_dump_json(),
        'slices': slices.model_dump_json(),
        'code_version': code_version,
      },
      disable_analyzer_cache=True,
      disable_statistics=True,
    )
