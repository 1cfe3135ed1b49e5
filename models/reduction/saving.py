"""A fitted reduction as two files: arrays in `reduction.npz`, everything else in `reduction.json`."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from typing import Any

import numpy as np
from tensorflow.io import gfile

from configs.reduction import Reduction
from models.reduction.fitted import Decision, Findings, Fitted
from models.reduction.mappings import Affine, Factors, MappingKind, Selection

DETAILS_FILE, ARRAYS_FILE = 'reduction.json', 'reduction.npz'

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
    file.write(json.dumps(_details(fitted), indent=2, ensure_ascii=False) + '\n')


def load(directory: str) -> Fitted:
  """What `save` wrote."""
  with gfile.GFile(os.path.join(directory, DETAILS_FILE)) as file:
    details = json.loads(file.read())
  with gfile.GFile(os.path.join(directory, ARRAYS_FILE), 'rb') as file:
    archive = np.load(io.BytesIO(file.read()), allow_pickle=False)
    arrays = {name: archive[name] for name in archive.files}
  told = details['findings']
  decisions = tuple(
    Decision(**(decision | {'score': float('nan') if decision['score'] is None else decision['score']}))
    for decision in details['decisions']
  )
  return Fitted(
    reduction=Reduction.model_validate(details['reduction']),
    names=tuple(details['names']),
    outputs=tuple(details['outputs']),
    clip=details['clip'],
    mapping=_mapping(details, arrays),
    mean=arrays['mean'],
    scale=arrays['scale'],
    findings=Findings(
      **(told | {'notes': tuple(told['notes'])}),
      **{name: arrays[name] for name in _FINDINGS},
      decisions=decisions,
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


def _details(fitted: Fitted) -> dict[str, Any]:
  findings = fitted.findings
  told = {name: getattr(findings, name) for name in ('read', 'fitted_on', 'lost', 'error')}
  decisions = [dataclasses.asdict(decision) for decision in findings.decisions]
  return {
    **fitted.summary(),
    'reduction': fitted.reduction.model_dump(mode='json'),
    'names': list(fitted.names),
    'outputs': list(fitted.outputs),
    'clip': fitted.clip,
    # JSON has no NaN.
    'decisions': [row | {'score': row['score'] if np.isfinite(row['score']) else None} for row in decisions],
    'findings': told | {'notes': list(findings.notes), 'figures': dict(findings.figures)},
  }


def _mapping(details: dict[str, Any], arrays: dict[str, np.ndarray]) -> MappingKind:
  if 'kept' in arrays:
    return Selection(arrays['kept'])
  if 'factors' in arrays:
    return Factors(arrays['lowest'], arrays['factors'], details['reduction']['iterations'])
  tables = {name.removeprefix(_TABLE): table for name, table in arrays.items() if name.startswith(_TABLE)}
  return Affine(arrays['center'], arrays['weights'], tables)
