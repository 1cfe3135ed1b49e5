"""What the terminal shows of variants that were lost."""

import io

from rich.console import Console

from components.compression_gate.records import JudgedVariant
from pipeline.commands.run import _lost, _variants_table
from pipeline.summary_record import Status, Summary


def test_the_reason_of_lost_variants_stands_in_full_below_the_table_once():
  reason = 'Scheme needs the LiteRT quantizer, which is not installed: ' + 'a reason of many words ' * 9
  lost = [
    JudgedVariant(name=name, recipe='dense', scheme='x', reason=reason) for name in ('dense.int4', 'pqat_80.int4')
  ]
  kept = {'value': 3.5, 'low': 3.0, 'high': 4.0}
  made = {'bytes': 9, 'gzip_bytes': 8, 'sparsity': 0.5, 'rmse': kept, 'rmse_ratio': kept, 'within_budget': True}
  variants = (JudgedVariant(name='dense.int8', recipe='dense', scheme='int8', **made), *lost)
  summary = Summary(status=Status.PUSHED, variants=variants)
  console = Console(width=100, file=io.StringIO())
  console.print(_variants_table(summary, 'USD'))
  lines = console.file.getvalue().splitlines()
  assert [line.split()[0] for line in lines] == ['lite', 'dense.int8', 'dense.int4', 'pqat_80.int4']
  assert [line.split()[-1] for line in lines[2:]] == ['lost', 'lost']
  assert _lost(summary) == {reason: ['dense.int4', 'pqat_80.int4']}
