"""Compiled pipelines that several tests look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from configs.loading import load
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.compiler import compile_pipeline
from pipeline.cloud.settings import platform_settings
from pipeline.sources import data_source
from pipeline.targets import Target

PLATFORM = (
  'platform.image=europe-docker.pkg.dev/shop/farelite/farelite:0.1.0',
  'platform.pipeline_root=gs://shop-farelite/runs',
)
RIDES = 'dataset.path=gs://shop-rides/rides-*.csv'


def compiled(target: Target, *overrides: str, config: str = 'nyc') -> CompiledPipeline:
  """A config, compiled in this process, with no help from its environment."""
  resolved = load(config, (*PLATFORM, RIDES, *overrides))
  source = data_source(resolved.dataset.path)
  return compile_pipeline(resolved, source, platform_settings(resolved.platform, {}), target)


@pytest.fixture(scope='session')
def pipelines() -> dict[Target, CompiledPipeline]:
  """The New York preset for both targets."""
  return {target: compiled(target) for target in (Target.VERTEX, Target.KFP)}


@pytest.fixture(scope='session')
def compiler() -> Callable[..., CompiledPipeline]:
  """See `compiled`."""
  return compiled
