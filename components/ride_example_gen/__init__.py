"""From files of rides in any columns to canonical, validated and split tf.Examples.

`component` and `executor` are TFX's side. The other modules know no TFX component: `reading` streams files, `canonical`
maps and judges rows, `spans` divides them, `profiling` counts them, `encoding` writes them, `ingestion` does all of it
for one file.
"""

__all__ = [
  'canonical', 'component', 'encoding', 'executor', 'files', 'ingestion', 'parsing', 'profile', 'quarantine',
  'reading', 'spans',
]  # fmt: skip
