"""What `reduction.json` holds; needs neither TensorFlow nor NumPy."""

from __future__ import annotations

from typing import Annotated

from configs.records import WHOLE, Record, RecordPart, known_keys
from configs.reduction import Reduction

DETAILS_FILE, ARRAYS_FILE = 'reduction.json', 'reduction.npz'
"""In a `ReductionReport`: everything about a fitted reduction but its arrays, and those."""

SCREE, LOADINGS, RECONSTRUCTION, POINTS, SCORES = (
  'explained_variance.svg', 'loadings.svg', 'reconstruction.svg', 'components.svg', 'scores.svg',
)  # fmt: skip
"""In the same place: its pictures, those that there are."""


class RecordedDecision(RecordPart):
  """What a selection did with a feature.

  Attributes: score: in the unit of the method; higher is kept. `None` for a constant one.
  """

  name: str
  score: float | None
  kept: bool
  reason: str


class RecordedFindings(RecordPart):
  """What is told of a reduction, but for the arrays; see `models.reduction.fitted.Findings`."""

  read: int
  fitted_on: int
  lost: float
  error: float
  notes: tuple[str, ...]
  figures: dict[str, float]


class ReductionFigures(RecordPart):
  """The few figures of a reduction that a run's summary tells, too.

  Attributes:
    features: numeric features before.
    inputs: what is left of them.
    variance_lost: share of the whole variance that a linear reconstruction from the components misses.
    reconstruction_error: root mean square of what that misses of a ride, in standard deviations.
    kept: names of the features that stay, of a selection alone.
  """

  method: str
  features: int
  inputs: int
  variance_lost: float
  reconstruction_error: float
  rides: int
  notes: tuple[str, ...]
  kept: tuple[str, ...] | None = None


class ReductionDetails(ReductionFigures, Record):
  """`reduction.json`.

  Attributes:
    names: of the full vector's features.
    outputs: names of what is left.
    clip: in standard deviations; `None` leaves the vector as it is.
  """

  reduction: Annotated[Reduction, known_keys(Reduction), WHOLE]
  names: tuple[str, ...]
  outputs: tuple[str, ...]
  clip: float | None
  decisions: tuple[RecordedDecision, ...]
  findings: RecordedFindings
