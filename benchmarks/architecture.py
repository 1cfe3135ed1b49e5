"""Draws docs/architecture.svg: every step that a run may have and what each waits for, from the DAG itself.

    python -m benchmarks.architecture

Run it again where a step is added, renamed or waits for another one; a test compares the picture with the DAG.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from models.charts import element, picture, standalone, text
from models.whole_files import write_whole
from pipeline.local.steps import is_look_up
from pipeline.report.charts import ROW, draw_lanes

DRAWN = pathlib.Path(__file__).parent.parent / 'docs' / 'architecture.svg'

EVERYTHING = (
  'reduction.method=pca',
  'training.serve=pqat_80',
  'training.warm_start=true',
  'platform.vertex.registration={display_name: fares, container: image, copies: gs://shop/versions}',
  'platform.vertex.project=shop',
)
"""Settings with which a run has every step that there is."""

_MEANINGS = {
  'RideExampleGen': 'canonical rides out of CSV, Parquet or BigQuery; split; broken rows set aside with their reason',
  'RideSchema': 'what the rides must be, by the rules of the config',
  'StatisticsGen': 'stops on too many broken rows or an empty split; measures each column',
  'BaselineStatistics': 'what an earlier run measured, for the drift',
  'ExampleValidator': "TFX's own verdict on the statistics",
  'AnomalyGate': 'says in sentences what is wrong with the rides; stops where the config says so',
  'FeatureEngineering': 'TFX Transform: one pass fits, one graph applies, up to the phone',
  'DimensionalityReduction': 'fewer inputs, in the same graph',
  'WarmStartModel': 'the weights that training begins with: those of the version that serves',
  'PruningTrainer': 'the dense base, then each recipe from a copy of it, proven on the exported models',
  'FareEvaluator': 'errors by slice, with intervals',
  'BaseEvaluator': 'the same of the dense base, where another recipe is served',
  'ServedModel': 'the version that serves now: its file is the one to beat',
  'QuantizationRewriter': 'one file of raw inputs for each recipe and scheme, checked after it was written',
  'CompressionGate': 'the one judge: runs each file, and the one that serves; chooses, or says why not',
  'Pusher': 'the version appears whole in the serving folder, or not at all',
  'ModelRegistry': "uploads the pushed version as one of a model's in Vertex AI's registry",
}
"""What each step does; a new one is drawn without a word until it stands here."""

_STOPS = ('StatisticsGen', 'AnomalyGate', 'CompressionGate')

_WIDTH, _GAP, _TOP, _LEGEND = 860.0, 14.0, 8.0, 30.0

_STYLE = """<style>
.lane { fill: none; stroke: var(--strong-line); stroke-width: 1.6; }
.step { fill: var(--s0); } .step.stops { fill: var(--s1); }
.step.look-up { fill: var(--ground); stroke: var(--s0); stroke-width: 2; }
svg .step-name { font-weight: 650; font-size: 13px; } svg .meaning { fill: var(--soft); font-size: 11.5px; }
</style>"""


def main(arguments: Sequence[str] | None = None) -> None:
  """Writes the picture; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.architecture', description=__doc__.splitlines()[0])
  parser.add_argument('--output', type=pathlib.Path, default=DRAWN, help='the file to write')
  options = parser.parse_args(arguments)
  write_whole(options.output, drawn(graph(EVERYTHING), graph()))
  print(options.output)


def graph(settings: Sequence[str] = ()) -> dict[str, list[str]]:
  """The steps of a local run in their order, each with those that it waits for.

  Args: settings: of the config, as after `--set`.
  """
  from configs import loading
  from pipeline.dag import build_pipeline
  from pipeline.sources import rides_of
  from pipeline.targets import Places

  config = loading.load('chicago', list(settings))
  places = Places(root='/root', serving='/serving', checkpoints='/checkpoints', variants='/variants')
  pipeline = build_pipeline(config, rides_of(config.dataset), places)
  return {node.id: sorted(upstream.id for upstream in node.upstream_nodes) for node in pipeline.components}


def drawn(every: Mapping[str, Sequence[str]], default: Mapping[str, Sequence[str]]) -> str:
  """The picture as a file.

  Args:
    every: all steps that there are, see `graph`.
    default: those of a run with nothing switched on.
  """
  styles = {name: 'look-up' if is_look_up(name) else 'stops' if name in _STOPS else 'own' for name in every}
  lanes = draw_lanes(every, styles)
  left = _lanes_width(lanes[0]) + _GAP
  parts = []
  for place, (name, lane) in enumerate(zip(every, lanes, strict=True)):
    y = _TOP + ROW * place
    parts.append(Markup(str(lane).replace('<svg ', f'<svg x="{_GAP:g}" y="{y:g}" ', 1)))
    optional = '' if name in default else '  (where it is switched on)'
    parts.append(text(_GAP + left, y + 15, f'{name}{optional}', class_='step-name'))
    parts.append(text(_GAP + left, y + 29, _MEANINGS.get(name, ''), class_='meaning'))
  height = _TOP + ROW * len(every)
  label = f'The steps of a run, and what each waits for: {", ".join(every)}.'
  return standalone(picture(_WIDTH, height + _LEGEND, label, Markup(_STYLE), *parts, *_legend(height + 18)))


def _lanes_width(lane: Markup) -> float:
  return float(str(lane).partition('width="')[2].partition('"')[0])


def _legend(y: float) -> list[Markup]:
  parts, left = [], _GAP
  for style, meaning in (('own', 'a step'), ('stops', 'may stop a run'), ('look-up', 'finds what an earlier run left')):
    parts += [
      element('circle', cx=left + 5, cy=y - 4, r=5, class_=f'step {style}'),
      text(left + 16, y, meaning, class_='meaning'),
    ]
    left += 40 + 6.4 * len(meaning)
  return parts


if __name__ == '__main__':
  main()
