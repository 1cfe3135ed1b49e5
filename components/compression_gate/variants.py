"""The variants that a QuantizationRewriter wrote, as files on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from components.quantization_rewriter.spec import VARIANTS_FILE


@dataclasses.dataclass(frozen=True)
class Variant:
  """One training recipe, converted by one scheme.

  Attributes:
    name: `<recipe>.<scheme>`.
    recipe: name of the training recipe.
    scheme: name of the conversion scheme.
    facts: its entry in `variants.json`.
    path: the file on this machine; `None` where there is no sound one.
    reason: one sentence on why there is none; empty where there is.
  """

  name: str
  recipe: str
  scheme: str
  facts: Mapping[str, Any]
  path: pathlib.Path | None
  reason: str = ''


def fetch_variants(uri: str, folder: pathlib.Path) -> list[Variant]:
  """Copies every file of the artifact and compares it with its SHA-256.

  Args:
    uri: of a `components.LiteVariants` artifact; a bucket is fine.
    folder: on this machine, for the files.

  Returns:
    In the order of `variants.json`.
  """
  with fileio.open(os.path.join(uri, VARIANTS_FILE)) as file:
    listed = json.loads(file.read())
  return [_fetched(facts, uri, folder) for facts in listed['variants']]


def _fetched(facts: Mapping[str, Any], uri: str, folder: pathlib.Path) -> Variant:
  path, reason = None, facts.get('reason') or ''
  if facts['file'] is not None:
    with fileio.open(os.path.join(uri, facts['file']), 'rb') as file:
      content = file.read()
    if hashlib.sha256(content).hexdigest() == facts['sha256']:
      path = folder / facts['file']
      path.write_bytes(content)
    else:
      reason = f"'{facts['file']}' is not the file that was converted: its SHA-256 is another one."
  return Variant(facts['name'], facts['recipe'], facts['scheme'], facts, path, reason)
