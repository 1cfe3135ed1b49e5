"""From files of rides in any columns to canonical, validated and split tf.Examples.

`component` and `executor` are TFX's side. The other modules know no TFX component: `patterns` says what a path means,
`listing` what it finds, `reading` streams files, `column_names` finds their columns, `canonical` maps and judges rows,
`zones` says where zone ids lie, `hints` which setting makes a value readable, `early` refuses what no setting fits,
`spans` and `splitting` divide rides, `profiling` counts them, `encoding` writes them, `ingestion` does all of it for
one file.
"""

__all__ = [
  'canonical',
  'component',
  'early',
  'encoding',
  'executor',
  'files',
  'hints',
  'ingestion',
  'listing',
  'parsing',
  'patterns',
  'profile',
  'quarantine',
  'reading',
  'spans',
  'splitting',
]
