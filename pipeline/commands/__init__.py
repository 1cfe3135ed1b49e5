"""What each command does and shows; `pipeline.cli` parses, and loads one of these when its command is called."""

__all__ = [
  'check',
  'cloud',
  'config',
  'doctor',
  'history',
  'init',
  'monitor',
  'notify',
  'operations',
  'page',
  'predict',
  'report',
  'retrain',
  'run',
  'schedule',
  'serve',
  'session',
  'study',
]
