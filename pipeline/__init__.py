"""The DAG, its targets and the command line. Knows all other rooms; nothing knows it."""

__all__ = [
  'cli',
  'cloud',
  'code_version',
  'commands',
  'dag',
  'local',
  'operations',
  'report',
  'sources',
  'study',
  'summary_record',
  'targets',
]
