"""How many rows were read, kept and set aside."""

from __future__ import annotations

import dataclasses
import json
import posixpath
from collections import Counter
from collections.abc import Sequence

from components.ride_example_gen.splitting import SPLITS

COUNTS_FILE = 'counts.json'


@dataclasses.dataclass(frozen=True)
class RideCounts:
  """The rows of some files; `read` is always `kept` plus the sum of `quarantined`.

  Attributes:
    read: all rows, malformed lines included, blank lines not.
    kept: valid rows.
    quarantined: rows by `Reason`, those that occurred.
    splits: valid rows by split, every split named.
    files: the files that were read, in order.
  """

  read: int = 0
  kept: int = 0
  quarantined: dict[str, int] = dataclasses.field(default_factory=dict)
  splits: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
  files: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    if self.read != self.kept + sum(self.quarantined.values()) or self.kept != sum(self.splits.values()):
      raise ValueError(f'rows were lost or counted twice: {self}.')

  def to_json(self) -> str:
    """The content of `counts.json`."""
    return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)

  @classmethod
  def from_json(cls, text: str) -> RideCounts:
    """Reads what `to_json` wrote."""
    values = json.loads(text)
    return cls(**(values | {'files': tuple(values['files'])}))


def total(counts: Sequence[RideCounts]) -> RideCounts:
  """The sum over files, in their order."""
  quarantined = sum((Counter(count.quarantined) for count in counts), Counter())
  return RideCounts(
    read=sum(count.read for count in counts),
    kept=sum(count.kept for count in counts),
    quarantined=dict(sorted(quarantined.items())),
    splits={split: sum(count.splits[split] for count in counts) for split in SPLITS},
    files=tuple(dict.fromkeys(file for count in counts for file in count.files)),
  )


def read_counts(uri: str) -> RideCounts:
  """The counts in a quarantine artifact.

  Args:
    uri: the artifact's folder, on a disk or in a bucket.
  """
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which nothing else here needs.

  with fileio.open(posixpath.join(uri, COUNTS_FILE)) as file:
    return RideCounts.from_json(file.read())
