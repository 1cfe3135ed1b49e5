"""The variants that a QuantizationRewriter wrote, as files on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib

from tfx.dsl.io import fileio

from components.quantization_rewriter.records import VARIANTS_FILE, ConvertedVariant, VariantsRecord


@dataclasses.dataclass(frozen=True)
class Variant:
  """One training recipe, converted by one scheme.

  Attributes:
    facts: its entry in `variants.json`.
    path: the file on this machine; `None` where there is no sound one.
    reason: one sentence on why there is none; empty where there is.
  """

  facts: ConvertedVariant
  path: pathlib.Path | None
  reason: str = ''

  @property
  def name(self) -> str:
    """`<recipe>.<scheme>`."""
    return self.facts.name

  @property
  def recipe(self) -> str:
    """Name of the training recipe."""
    return self.facts.recipe

  @property
  def scheme(self) -> str:
    """Name of the conversion scheme."""
    return self.facts.scheme


def fetch_variants(uri: str, folder: pathlib.Path) -> list[Variant]:
  """Copies every file of the artifact and compares it with its SHA-256.

  Args:
    uri: of a `components.LiteVariants` artifact; a bucket is fine.
    folder: on this machine, for the files.

  Returns:
    In the order of `variants.json`.

  Raises:
    RecordError: `variants.json` is none.
  """
  listing = os.path.join(uri, VARIANTS_FILE)
  with fileio.open(listing) as file:
    listed = VariantsRecord.parse(file.read(), listing)
  return [_fetched(facts, uri, folder) for facts in listed.variants]


def _fetched(facts: ConvertedVariant, uri: str, folder: pathlib.Path) -> Variant:
  path, reason = None, facts.reason or ''
  if facts.file is not None:
    with fileio.open(os.path.join(uri, facts.file), 'rb') as file:
      content = file.read()
    if hashlib.sha256(content).hexdigest() == facts.sha256:
      path = folder / facts.file
      path.write_bytes(content)
    else:
      reason = f"'{facts.file}' is not the file that was converted: its SHA-256 is another one."
  return Variant(facts, path, reason)
