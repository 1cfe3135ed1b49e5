"""The report of a run: one HTML page that needs no network, from `summary.json` and the artifacts alone."""

__all__ = [
  'artifact_page',
  'charts',
  'comparison',
  'fare_page',
  'frontier',
  'history',
  'history_page',
  'kept',
  'page',
  'record',
  'tables',
]
