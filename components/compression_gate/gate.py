"""The gate itself: runs every variant on the eval split and compares it with the baseline; `choice` decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from components.compression_gate.choice import (
  BASELINE,
  NO_THRESHOLDS,
  Candidate,
  Choice,
  Miss,
  Served,
  Thresholds,
  Variant,
  choose,
  misses,
  notes,
  too_little,
)
from components.compression_gate.measuring import Bench, measure
from components.compression_gate.pushed_version import ServedVersion
from components.compression_gate.records import ShadowRecord
from components.compression_gate.shadow import Newest, ShadowError, held, remark, run_beside
from configs.compression import Compression, Precision
from configs.errors import FailedError
from models.lite.process import StartedAhead
from models.protocols import EvalExamples


@dataclasses.dataclass(frozen=True)
class Judgement:
  """The outcome for all variants.

  Attributes:
    choice: what is pushed, and why.
    baseline: name of the variant that ratios refer to.
    candidates: those that ran, by name.
    missed: the limits that each of them misses, by name.
    lost: one sentence by the name of each variant that did not run.
    notes: sentences for the reader.
    served: what serves now, on the same examples; `None` where nothing does, or it can't be run on these.
    drawn_from: size of the split that the examples are a random sample of; `None` where they are all of it.
    shadow: what was to be pushed beside what serves; `None` where they were not compared.
  """

  choice: Choice
  baseline: str
  candidates: dict[str, Candidate]
  missed: dict[str, list[Miss]]
  lost: dict[str, str]
  notes: list[str]
  served: Served | None = None
  drawn_from: int | None = None
  shadow: ShadowRecord | None = None

  @property
  def chosen(self) -> Candidate | None:
    """What is pushed."""
    return None if self.choice.chosen is None else self.candidates[self.choice.chosen]


def judge(
  variants: Sequence[Variant],
  examples: EvalExamples,
  compression: Compression,
  resamples: int,
  quantization_aware: Collection[str] = (),
  thresholds: Thresholds = NO_THRESHOLDS,
  serving: ServedVersion | None = None,
  drawn_from: int | None = None,
  ahead: StartedAhead | None = None,
  newest: Newest | None = None,
) -> Judgement:
  """Judges variants by what their files do.

  Args:
    variants: all of them, also those without a file.
    examples: the eval split.
    compression: schemes, budget, measurement.
    quantization_aware: names of the recipes that were trained for integers.
    thresholds: held against each file itself.
    serving: the version that serves, whose file is run beside them.
    drawn_from: size of the split, where the examples are a random sample of it.
    ahead: gives the processes; see `measure`.
    newest: what the chosen file is also run on beside the one that serves, and may be held by.
  Raises: FailedError: there is no float32 variant to compare with.
  """
  files = {variant.name: variant.path for variant in variants if variant.path is not None}
  measured, crashed = measure(files, examples.columns, compression.measurement, examples.contract, ahead)
  if ahead is not None:  # The next ones start while the errors are compared: for what serves, and for what is pushed.
    ahead.prepare(2 if serving is None or serving.file is None else 3)
  unmade = {variant.name: variant.reason for variant in variants if variant.path is None}
  lost = {variant.name: (unmade | crashed)[variant.name] for variant in variants if variant.name not in measured}
  baseline = _baseline([variant for variant in variants if variant.name in measured], compression, lost)
  metric, base = examples.metric, measured[baseline].predictions
  candidates = {}
  for variant in variants:
    if variant.name in measured:
      ran = measured[variant.name]
      errors = metric.compare(examples.labels, ran.predictions, base, examples.groups, examples.slices, resamples)
      candidates[variant.name] = Candidate(variant, ran, errors, metric, examples.contract.terms)
  served, remarks = _served(serving, examples, base, compression, thresholds, resamples, ahead)
  missed = {name: misses(found, compression.budget, thresholds, served) for name, found in candidates.items()}
  if drawn_from is not None:
    examined = f'{len(examples):,} of {drawn_from:,} {examples.contract.terms.examples}'
    remarks = [f'Judged on {examined} of the eval split, drawn at random ({thresholds.sample_setting}).', *remarks]
  if unknown := [name for name in examples.slices if name not in candidates[baseline].errors.slices]:
    remarks.append(f'Slices of one class have no {metric.name} and are not judged: {", ".join(unknown)}.')
  terms = examples.contract.terms
  evidence = too_little(examples.labels, examples.groups, thresholds, terms, metric.classifies)
  judgement = Judgement(
    choose(candidates, missed, thresholds, evidence, compression.objective),
    baseline,
    candidates,
    missed,
    lost,
    [*remarks, *notes(candidates, missed, lost, baseline, compression, quantization_aware)],
    served,
    drawn_from,
  )
  if newest is None or serving is None or serving.file is None or judgement.chosen is None:
    return judgement
  return _shadowed(judgement, serving, newest, thresholds, compression.measurement.threads, ahead)


def _shadowed(
  judgement: Judgement,
  serving: ServedVersion,
  newest: Newest,
  thresholds: Thresholds,
  threads: int,
  ahead: StartedAhead | None,
) -> Judgement:
  """The judgement after the chosen file was run beside the one that serves, which may hold the push."""
  chosen = judgement.chosen
  assert chosen is not None and chosen.variant.path is not None
  name = chosen.variant.name
  try:
    found, missed = run_beside(name, chosen.variant.path, serving, newest, thresholds, threads, ahead)
  except ShadowError as error:
    note = f'{error} serving.shadow is not held against anything.'
    return dataclasses.replace(judgement, notes=[note, *judgement.notes])
  return dataclasses.replace(
    judgement,
    choice=held(judgement.choice, missed) if missed else judgement.choice,
    missed=judgement.missed | {name: missed},
    notes=[remark(found, thresholds, chosen.terms), *judgement.notes],
    shadow=found,
  )


def _served(
  serving: ServedVersion | None,
  examples: EvalExamples,
  base: np.ndarray,
  compression: Compression,
  thresholds: Thresholds,
  resamples: int,
  ahead: StartedAhead | None,
) -> tuple[Served | None, list[str]]:
  """The error of the file that serves, and what the reader should know of it."""
  if serving is None:
    return None, []
  unheld = f'It is no baseline: {thresholds.increase_setting} is not held against anything.'
  if serving.file is None:
    return None, [f'{serving.reason} {unheld}']
  columns, absent = serving.columns_of(examples.columns), serving.absent(examples.columns)
  with Bench({serving.version: serving.file}, compression.measurement.threads, examples.contract, ahead) as bench:
    predictions = bench.ask_all(lambda process: process.predict(columns)).get(serving.version)
  if predictions is None or predictions.shape != base.shape or not np.isfinite(predictions).all():
    reason = bench.lost.get(serving.version, 'it gives no number for some of them.')
    if predictions is not None and predictions.shape != base.shape:
      reason = f'it gives {_width(predictions)} for each, and not {_width(base)}.'
    what = (
      f'Version {serving.version}, which serves, does not run on these {examples.contract.terms.examples}: {reason}'
    )
    return None, [f'{what} {unheld}']
  found = examples.metric.compare(examples.labels, predictions, base, examples.groups, {}, resamples)
  remarks = []
  if absent:
    names = ', '.join(f"'{name}'" for name in absent)
    what = f'Version {serving.version}, which serves, takes {names}'
    remarks = [f'{what}, which the {examples.contract.terms.examples} have no more; it ran with that missing.']
  return Served(serving.version, found.error), remarks


def _width(predictions: np.ndarray) -> str:
  """How many numbers there are for each example."""
  count = predictions[0].size
  return '1 number' if count == 1 else f'{count} numbers'


def _baseline(variants: Sequence[Variant], compression: Compression, lost: Mapping[str, str]) -> str:
  """The dense base as float32 file; where that was lost, the first recipe's."""
  schemes = {scheme.name for scheme in compression.schemes if scheme.precision is Precision.FLOAT32}
  found = [variant.name for variant in variants if variant.facts.scheme in schemes]
  if not found:
    fix = f'{BASELINE} was lost: {lost[BASELINE]}' if BASELINE in lost else 'put float32 into compression.schemes.'
    raise FailedError(f'No float32 variant ran, so there is nothing to compare the others with; {fix}')
  return BASELINE if BASELINE in found else found[0]
