"""Examples that `--help` ends with, by the command; a test parses each one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Example(NamedTuple):
  """A command line.

  Attributes:
    what: what it does, in a few words.
    line: what follows `farelite`.
  """

  what: str
  line: str


EXAMPLES: Mapping[str, tuple[Example, ...]] = {
  '': (
    Example('the rides that come along', 'run'),
    Example('your own', "init 'rides/*.csv' --output mine.yaml"),
    Example('what is wrong with this machine', 'doctor'),
  ),
  'run': (
    Example('15,002 real Chicago rides', 'run'),
    Example('your own, longer', 'run --config mine.yaml --set training.epochs=80'),
    Example('a week, its last day to judge', "run --config mine.yaml --data 'rides/{YYYY}/{MM}/{DD}/*.csv' --window 7"),
    Example('smaller files', 'run --config nyc --data rides.csv --set training.recipes=[dense,pqat_80]'),
  ),
  'init': (
    Example('every guess', "init 'rides/*.csv' --output mine.yaml --yes"),
    Example('a column that you name', 'init rides.parquet --column fare_amount=price'),
  ),
  'check': (
    Example('would these rides train?', 'check --config mine.yaml'),
    Example('another delimiter, for a script', "check --config mine.yaml --set dataset.delimiter=';' --json"),
  ),
  'config': (
    Example('all sections', 'config show'),
    Example('for an editor', 'config schema --output farelite.schema.json'),
  ),
  'config show': (
    Example('one setting', 'config show training.epochs'),
    Example('a section, with the values of a preset', 'config show compression.budget --config nyc-small'),
  ),
  'config schema': (Example('beside your config', 'config schema --output farelite.schema.json'),),
  'features': (
    Example('what the model sees', 'features --config mine.yaml'),
    Example('with cells', 'features --config nyc --set features.crosses.enabled=true'),
  ),
  'retrain': (
    Example('what a timer calls', 'retrain --config daily.yaml'),
    Example('past days in their order', 'retrain --config daily.yaml --from 2026-03-01 --to 2026-03-14'),
  ),
  'notify': (
    Example('does the webhook take it?', 'notify --config daily.yaml --event failed'),
    Example('what OnFailure= calls', 'notify --config daily.yaml --if-killed'),
  ),
  'schedule': (Example('what there is', 'schedule list'),),
  'schedule create': (
    Example('each night at three', "schedule create --cron '0 3 * * *' --time-zone Asia/Tokyo --config daily.yaml"),
    Example('without systemd', "schedule create --cron '0 3 * * *' --time-zone UTC --config daily.yaml --crontab"),
  ),
  'schedule list': (Example('in the cloud', 'schedule list --target vertex --config cloud.yaml'),),
  'schedule pause': (Example('for now', 'schedule pause daily'),),
  'schedule resume': (Example('again', 'schedule resume daily'),),
  'schedule delete': (Example('for good', 'schedule delete daily'),),
  'runs': (
    Example('runs, models, blessings', 'runs out/nyc'),
    Example('what made a version', 'runs show 1795769924 out/nyc'),
  ),
  'rollback': (Example('the version before', "rollback out/nyc --reason 'airport fares are off'"),),
  'history': (Example('all nights on one page', 'history out/nyc'),),
  'monitor': (
    Example('what came in afterwards', "monitor out/nyc --fares 'later/*.csv'"),
    Example('by a log of predictions', "monitor out/nyc --fares 'later/*.csv' --predictions fares.csv --retrain"),
  ),
  'prune': (Example('what would go', 'prune out/nyc --dry-run --set retention.runs=30'),),
  'predict': (
    Example('by the newest version', "predict out/nyc/serving 'rides/*.parquet' --output fares.parquet"),
    Example('by a file alone', 'predict model.tflite rides.csv --config mine.yaml'),
  ),
  'serve': (
    Example('the newest version, and each newer one', 'serve out/nyc/serving --port 8080'),
    Example('for a page', 'serve out/nyc/serving --allow-origin null'),
  ),
  'report': (
    Example('again', 'report out/nyc'),
    Example('two runs beside each other', 'report out/nyc --against out/nyc-small'),
  ),
  'page': (
    Example('one file', 'page out/nyc/serving --output fare.html'),
    Example('the same fare by a server, too', 'page out/nyc/serving --server http://127.0.0.1:8080'),
  ),
  'compile': (
    Example('for Vertex AI', 'compile --target vertex --config cloud.yaml --output nyc.json'),
    Example('for Kubeflow Pipelines', 'compile --target kfp --config cloud.yaml --output nyc.yaml'),
  ),
  'submit': (Example('now', 'submit --target vertex --config cloud.yaml'),),
  'rehearse': (
    Example('every container here', 'rehearse --target vertex'),
    Example('your own', 'rehearse --target kfp --config mine.yaml --parallel 4'),
  ),
  'study': (
    Example('every question roughly', "study --config nyc --data 'rides/*.csv' --quick"),
    Example('one question', 'study --config mine.yaml --only reductions'),
    Example('its tables', 'study --output out/nyc-study --markdown'),
  ),
  'doctor': (
    Example('within a second', 'doctor'),
    Example('load TensorFlow and Beam, too', 'doctor --imports'),
  ),
}  # fmt: skip
