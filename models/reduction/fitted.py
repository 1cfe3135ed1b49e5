"""A fitted reduction: what it computes, what is known about it, and its two files."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.io import gfile

from configs.reduction import Reduction
from models.charts import grid, standalone
from models.reduction import plots
from models.reduction.mappings import Affine, Factors, MappingKind, Selection, clipped
from models.reduction.records import ARRAYS_FILE, DETAILS_FILE, Decision, RecordedFindings, ReductionDetails
from models.rides import Rides
from models.whole_files import write_whole
from transforms import names as transforms_names


class Findings(RecordedFindings, arbitrary_types_allowed=True):
  """What is shown of a reduction; arrays are float64.

  Attributes:
    explained: [m], by component the share of the variance that it adds: all that a pca or svd could have had, for the
      others those of the chosen ones. Of all features, by the best linear reconstruction from the components.
    loadings: [n, k], correlation of each feature with each component; 0 for a constant feature.
    unexplained: [n], by feature the share of its variance that a linear reconstruction from the components misses; 0
      for a constant one.
    points: [rides, 2], the first two components of a sample, as scikit-learn has them; one column where there is one
      component.
    fares: [rides] of that sample.
    decisions: by feature; empty for a projection.
  """

  explained: np.ndarray
  loadings: np.ndarray
  unexplained: np.ndarray
  points: np.ndarray
  fares: np.ndarray
  decisions: tuple[Decision, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A reduction fitted on training rides.

  Attributes:
    names: of the full vector's features, [n].
    outputs: names of what is left, [k].
    clip: the full vector is clipped to this many standard deviations before a projection; `None` leaves it as it is. A
      selection does not clip.
    mapping: from the full vector to scikit-learn's own output.
    mean: float64 [k], of that output over the training rides; 0 for a selection.
    scale: float64 [k], what it is multiplied with after that; 1 for a selection.
  """

  reduction: Reduction
  names: tuple[str, ...]
  outputs: tuple[str, ...]
  clip: float | None
  mapping: MappingKind
  mean: np.ndarray
  scale: np.ndarray
  findings: Findings

  @property
  def is_selection(self) -> bool:
    """Whether the outputs are features of the full vector."""
    return isinstance(self.mapping, Selection)

  def project(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """scikit-learn's `transform`.

    Args:
      numeric: float [rides, n], the full standardized vector.
      categories: int [rides] by categorical column, where they take part.
    Returns: Float64 [rides, k].
    """
    within = numeric if self.is_selection else clipped(numeric, self.clip)
    return self.mapping.raw(np.asarray(within, np.float64), categories or {})

  def apply(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """The vector that the model gets in place of the full one: float32 [rides, k], standardized."""
    if isinstance(self.mapping, Selection):
      return np.ascontiguousarray(self.mapping.raw(np.asarray(numeric, np.float32), {}))
    return np.asarray((self.project(numeric, categories) - self.mean) * self.scale, np.float32)

  def apply_to(self, rides: Rides) -> Rides:
    """Rides whose numeric vector is reduced, and whose categorical columns are gone where they took part."""
    inputs = {name: column for name, column in rides.inputs.items() if name not in self.taken}
    inputs[transforms_names.NUMERIC] = self.apply(rides.inputs[transforms_names.NUMERIC], rides.inputs)
    return Rides(inputs, rides.fares, rides.seconds)

  @property
  def taken(self) -> tuple[str, ...]:
    """Categorical columns that are part of the projection."""
    return tuple(getattr(self.mapping, 'tables', {}))


_TABLE = 'table_'
_FINDINGS = ('explained', 'loadings', 'unexplained', 'points', 'fares')


def save(fitted: Fitted, directory: str) -> None:
  """Writes both files into `directory`, made if need be; a bucket is fine."""
  gfile.makedirs(directory)
  content = io.BytesIO()
  np.savez_compressed(content, **_arrays(fitted))
  write_whole(os.path.join(directory, ARRAYS_FILE), content.getvalue())
  write_whole(os.path.join(directory, DETAILS_FILE), details_of(fitted).to_json() + '\n')


def save_pictures(
  fitted: Fitted, directory: str, currency: str, label: str = plots.FARE, shape: tuple[int, ...] = ()
) -> None:
  """Writes what there is to see of a reduction, SVG files, into `directory`, which is there; see `plots.draw`."""
  titles = plots.titles(label)
  for name, drawn in plots.draw(details_of(fitted), _arrays(fitted), currency, label, shape).items():
    title = f'{fitted.reduction.method.value}: {titles[name]}'
    write_whole(os.path.join(directory, name), standalone(grid([drawn], 1, title)))


def load(directory: str) -> Fitted:
  """What `save` wrote; raises `RecordError` where `reduction.json` is none."""
  path = os.path.join(directory, DETAILS_FILE)
  with gfile.GFile(path) as file:
    details = ReductionDetails.parse(file.read(), path)
  with gfile.GFile(os.path.join(directory, ARRAYS_FILE), 'rb') as file:
    archive = np.load(io.BytesIO(file.read()), allow_pickle=False)
    arrays = {name: archive[name] for name in archive.files}
  return Fitted(
    reduction=details.reduction,
    names=details.names,
    outputs=details.outputs,
    clip=details.clip,
    mapping=_mapping(details.reduction, arrays),
    mean=arrays['mean'],
    scale=arrays['scale'],
    findings=Findings(
      **dict(details.findings),
      **{name: arrays[name] for name in _FINDINGS},
      decisions=details.decisions,
    ),
  )


def _arrays(fitted: Fitted) -> dict[str, Any]:
  found = {'mean': fitted.mean, 'scale': fitted.scale}
  found |= {name: getattr(fitted.findings, name) for name in _FINDINGS}
  found |= {name: value for name, value in vars(fitted.mapping).items() if isinstance(value, np.ndarray)}
  return found | {_TABLE + name: table for name, table in getattr(fitted.mapping, 'tables', {}).items()}


def details_of(fitted: Fitted) -> ReductionDetails:
  """Everything about a reduction but its arrays."""
  findings = fitted.findings
  kept = {'kept': fitted.outputs} if fitted.is_selection else {}
  return ReductionDetails(
    method=fitted.reduction.method.value,
    features=len(fitted.names),
    inputs=len(fitted.outputs),
    variance_lost=findings.lost,
    reconstruction_error=findings.error,
    rides=findings.fitted_on,
    notes=findings.notes,
    **kept,  # type: ignore[arg-type]
    reduction=fitted.reduction,
    names=fitted.names,
    outputs=fitted.outputs,
    clip=fitted.clip,
    # JSON has no NaN.
    decisions=tuple(
      one.model_copy(update={'score': None if one.score != one.score else one.score}) for one in findings.decisions
    ),
    findings=RecordedFindings(**{name: getattr(findings, name) for name in RecordedFindings.model_fields}),
  )


def _mapping(reduction: Reduction, arrays: dict[str, np.ndarray]) -> MappingKind:
  if 'kept' in arrays:
    return Selection(arrays['kept'])
  if 'factors' in arrays:
    return Factors(arrays['lowest'], arrays['factors'], reduction.iterations)
  tables = {name.removeprefix(_TABLE): table for name, table in arrays.items() if name.startswith(_TABLE)}
  return Affine(arrays['center'], arrays['weights'], tables)
