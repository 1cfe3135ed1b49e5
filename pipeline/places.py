"""Where a run keeps what."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Places:
  """Where a target keeps things; URIs.

  Attributes:
    root: TFX's pipeline root.
    serving: the push destination.
    checkpoints: of unfinished trainings.
    variants: finished lite files, by what they depend on.
  """

  root: str
  serving: str
  checkpoints: str
  variants: str
