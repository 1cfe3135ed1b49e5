"""From files of rides in any columns to canonical, validated and split tf.Examples.

`component` is the TFX component. The other modules know no TFX: `reading` streams files, `canonical` maps and judges
rows, `splitting` divides them, `encoding` writes them, `ingestion` does all of it for one file.
"""
