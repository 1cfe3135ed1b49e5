"""The variants of a run: what each is, how it was measured, and what was decided."""

from __future__ import annotations

from components.compression_gate.records import REPORT_FILE, CompressionRecord, JudgedVariant
from components.quantization_rewriter.records import VARIANTS_FILE, VariantsRecord
from pipeline.report.record import RunRecord

GATE, REWRITER = 'CompressionGate', 'QuantizationRewriter'


def read_variants(record: RunRecord) -> CompressionRecord | None:
  """Reads the gate's report; without one, what the summary or the rewriter tells; `None` if no variant was made.

  Raises:
    RecordError: the file is there and is none.
  """
  report = record.read(CompressionRecord, GATE, 'report', REPORT_FILE)
  if report is None and record.summary.variants:
    report = CompressionRecord(variants=record.summary.variants, chosen=record.summary.chosen)
  if report is None:
    made = record.read(VariantsRecord, REWRITER, 'variants', VARIANTS_FILE)
    rows = made.variants if made else ()
    report = CompressionRecord(variants=tuple(JudgedVariant(**variant.to_dict()) for variant in rows))
  return report if report.variants else None
