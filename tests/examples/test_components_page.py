"""The lines of `docs/components.md` make what they say."""

import re
import textwrap

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / 'docs' / 'components.md').read_text(encoding='utf-8')


def test_the_lines_in_short_make_a_model_and_four_components():
  from tfx.components import ImportExampleGen, Pusher, SchemaGen, StatisticsGen, Transform
  from tfx.proto import pusher_pb2

  from components.compression_gate.component import CompressionGate
  from components.pruning_trainer.component import PruningTrainer
  from components.pruning_trainer.keys import recipe_key
  from components.quantization_rewriter.component import QuantizationRewriter

  gen = ImportExampleGen(input_base='digits')
  statistics = StatisticsGen(examples=gen.outputs['examples'])
  schema = SchemaGen(statistics=statistics.outputs['statistics'])
  preprocessing_fn = 'my_package.preprocessing.preprocessing_fn'
  transform = Transform(
    examples=gen.outputs['examples'], schema=schema.outputs['schema'], preprocessing_fn=preprocessing_fn
  )
  destination = pusher_pb2.PushDestination(filesystem={'base_directory': 'out/serving'})
  names = {
    component.__name__: component for component in (CompressionGate, PruningTrainer, QuantizationRewriter, Pusher)
  }
  names |= {'gen': gen, 'transform': transform, 'recipe_key': recipe_key, 'destination': destination}
  section = PAGE.partition('## In short')[2].partition('\n## ')[0]
  for block in re.findall(r'^ +```python\n(.*?)^ +```', section, re.DOTALL | re.MULTILINE):
    exec(textwrap.dedent(block), names)
  assert names['build']().output_shape == (None, 10)
  assert {*names['models']} == {'dense', 'qat', 'pqat_80'}
  assert names['pusher'].inputs['model'] is names['gate'].outputs['model']
