"""The picture of the DAG in the documentation. Oracle: the DAG that is built, and the file that is committed."""

from __future__ import annotations

import html
import re

import pytest

from benchmarks import architecture
from pipeline.targets import Target


@pytest.fixture(scope='module')
def every() -> dict[str, list[str]]:
  return architecture.graph(architecture.EVERYTHING)


def test_the_picture_is_that_of_the_dag_as_it_is(every):
  """Where this fails, `python -m benchmarks.architecture` draws it again. Its colours may be older ones."""
  committed, drawn = architecture.DRAWN.read_text(encoding='utf-8'), architecture.drawn(every, architecture.graph())
  assert _without_style(committed) == _without_style(drawn)


def _without_style(drawn: str) -> str:
  return re.sub('<style>.*?</style>', '', drawn, flags=re.DOTALL)


def test_every_step_of_every_target_is_on_it_with_its_meaning(every):
  from configs import loading
  from pipeline.dag import build_nodes
  from pipeline.sources import rides_of
  from pipeline.targets import Places

  config = loading.load('chicago', list(architecture.EVERYTHING))
  places = Places(root='gs://root', serving='gs://serving', checkpoints='gs://checkpoints', variants='gs://variants')
  names = {
    node.id for target in Target for node in build_nodes(config, rides_of(config.dataset), places, target=target)
  }
  drawn = architecture.DRAWN.read_text(encoding='utf-8')
  shown = {html.unescape(name).split('  (')[0] for name in re.findall(r'class="step-name">([^<]+)', drawn)}
  assert shown == set(every) == names
  assert shown <= architecture._MEANINGS.keys()


def test_what_waits_is_below_what_it_waits_for_and_switched_on_steps_say_so(every):
  order = [*every]
  assert all(order.index(before) < order.index(name) for name, names in every.items() for before in names)
  drawn = architecture.drawn(every, architecture.graph())
  optional = re.findall(r'class="step-name">(\w+) +\(where it is switched on\)', drawn)
  assert sorted(optional) == ['BaseEvaluator', 'DimensionalityReduction', 'ModelRegistry', 'WarmStartModel']
