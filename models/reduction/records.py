"""What `reduction.json` holds; needs neither TensorFlow nor NumPy."""

from __future__ import annotations

from typing import Annotated

from configs.records import WHOLE, Record, RecordPart, known_keys
from configs.reduction import Reduction

DETAILS_FILE, ARRAYS_FILE = 'reduction.json', 'reduction.npz'
"""In a `ReductionReport`: everything about a fitted reduction but its arrays, and those."""

SCREE, LOADINGS, PATTERNS, RECONSTRUCTION, POINTS, SCORES = (
  'explained_variance.svg', 'loadings.svg', 'patterns.svg', 'reconstruction.svg', 'components.svg', 'scores.svg',
)  # fmt: skip
"""In the same place: its pictures, those that there are."""


class Decision(RecordPart):
  """What a selection did with a feature.

  Attributes:
    score: in the unit of the method; higher is kept. NaN for a constant one, `None` in the file.
    reason: a phrase, such as '0.41 nats, rank 3 of 44'.
  """

  name: str
  score: float | None
  kept: bool
  reason: str


class RecordedFindings(RecordPart):
  """What is known of a reduction in numbers.

  Attributes:
    read: training rides that there were.
    fitted_on: training rides that it was fitted on.
    lost: share of the whole variance that a linear reconstruction from the components misses.
    error: root mean square of what a ride's vector differs by from its reconstruction, in standard deviations. The
      method's own reconstruction for nmf, the best linear one for the others.
    notes: sentences on what a person should know.
    figures: further numbers by name, such as an error of the solver.
  """

  read: int
  fitted_on: int
  lost: float
  error: float
  notes: tuple[str, ...]
  figures: dict[str, float]


class ReductionFigures(RecordPart):
  """The few figures of a reduction that are in a run's summary, too.

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
  decisions: tuple[Decision, ...]
  findings: RecordedFindings
