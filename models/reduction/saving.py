"""A fitted reduction as two files: arrays in `reduction.npz`, everything else in `reduction.json`."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from tensorflow.io import gfile

from configs.reduction import Reduction
from models.reduction.fitted import Decision, Findings, Fitted
from models.reduction.mappings import Affine, Factors, MappingKind, Selection
from models.reduction.records import (
  ARRAYS_FILE,
  DETAILS_FILE,
  RecordedDecision,
  RecordedFindings,
  ReductionDetails,
)

_TABLE = 'table_'
_FINDINGS = ('explained', 'loadings', 'unexplained', 'points', 'fares')


def save(fitted: Fitted, directory: str) -> None:
  """Writes both files into `directory`, made if need be; a bucket is fine."""
  gfile.makedirs(directory)
  content = io.BytesIO()
  np.savez_compressed(content, **_arrays(fitted))
  with gfile.GFile(os.path.join(directory, ARRAYS_FILE), 'wb') as file:
    file.write(content.getvalue())
  with gfile.GFile(os.path.join(directory, DETAILS_FILE), 'w') as file:
    file.write(details_of(fitted).to_json() + '\n')


def load(directory: str) -> Fitted:
  """What `save` wrote; raises `RecordError` where `reduction.json` is none."""
  path = os.path.join(directory, DETAILS_FILE)
  with gfile.GFile(path) as file:
    details = ReductionDetails.parse(file.read(), path)
  with gfile.GFile(os.path.join(directory, ARRAYS_FILE), 'rb') as file:
    archive = np.load(io.BytesIO(file.read()), allow_pickle=False)
    arrays = {name: archive[name] for name in archive.files}
  told = details.findings
  return Fitted(
    reduction=details.reduction,
    names=details.names,
    outputs=details.outputs,
    clip=details.clip,
    mapping=_mapping(details.reduction, arrays),
    mean=arrays['mean'],
    scale=arrays['scale'],
    findings=Findings(
      read=told.read,
      fitted_on=told.fitted_on,
      notes=told.notes,
      lost=told.lost,
      error=told.error,
      figures=told.figures,
      **{name: arrays[name] for name in _FINDINGS},
      decisions=tuple(
        Decision(one.name, float('nan') if one.score is None else one.score, one.kept, one.reason)
        for one in details.decisions
      ),
    ),
  )


def _arrays(fitted: Fitted) -> dict[str, Any]:
  mapping = fitted.mapping
  found = {'mean': fitted.mean, 'scale': fitted.scale}
  found |= {name: getattr(fitted.findings, name) for name in _FINDINGS}
  if isinstance(mapping, Selection):
    return found | {'kept': mapping.kept}
  if isinstance(mapping, Factors):
    return found | {'lowest': mapping.lowest, 'factors': mapping.factors}
  tables = {_TABLE + name: table for name, table in mapping.tables.items()}
  return found | {'center': mapping.center, 'weights': mapping.weights} | tables


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
    decisions=tuple(
      # JSON has no NaN.
      RecordedDecision(
        name=one.name, score=one.score if np.isfinite(one.score) else None, kept=one.kept, reason=one.reason
      )
      for one in findings.decisions
    ),
    findings=RecordedFindings(
      read=findings.read,
      fitted_on=findings.fitted_on,
      lost=findings.lost,
      error=findings.error,
      notes=findings.notes,
      figures=dict(findings.figures),
    ),
  )


def _mapping(reduction: Reduction, arrays: dict[str, np.ndarray]) -> MappingKind:
  if 'kept' in arrays:
    return Selection(arrays['kept'])
  if 'factors' in arrays:
    return Factors(arrays['lowest'], arrays['factors'], reduction.iterations)
  tables = {name.removeprefix(_TABLE): table for name, table in arrays.items() if name.startswith(_TABLE)}
  return Affine(arrays['center'], arrays['weights'], tables)
