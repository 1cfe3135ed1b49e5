"""Which modules are mutated, which tests should notice, and the faults that change nothing."""

from __future__ import annotations

import ast
import functools
import pathlib

ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')

MODULES: dict[str, tuple[str, ...]] = {
  # Wiring
  'pipeline/dag.py': (
    'tests/pipeline/test_dag.py',
    'tests/pipeline/cloud/test_*.py',
  ),
  'pipeline/local/run.py': (
    'tests/pipeline/test_local_run.py',
    'tests/pipeline/test_summary.py',
    'tests/pipeline/test_what_serves.py',
    'tests/pipeline/test_errors.py',
    'tests/pipeline/test_output_directory.py',
    'tests/pipeline/test_retraining.py',
  ),
  'pipeline/local/runner.py': ('tests/pipeline/test_errors.py',),
  'pipeline/local/output.py': ('tests/pipeline/test_output_directory.py',),
  'pipeline/cloud/compiler.py': ('tests/pipeline/cloud/test_*.py',),
  'pipeline/cloud/kfp.py': ('tests/pipeline/cloud/test_submit.py',),
  'pipeline/cloud/vertex.py': ('tests/pipeline/cloud/test_submit.py',),
  'pipeline/cloud/lint.py': ('tests/pipeline/cloud/test_lint_order.py', 'tests/pipeline/cloud/test_kubeflow_lint.py'),
  'pipeline/cloud/settings.py': ('tests/pipeline/cloud/test_p*.py',),
  'components/bigquery_ride_gen/component.py': (
    'tests/components/test_bigquery_ride_gen.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/ride_example_gen/component.py': (
    'tests/components/test_ride_example_gen*.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/ride_validator/component.py': (
    'tests/components/test_ride_s*.py',
    'tests/components/test_anomaly_gate.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/feature_engineering/component.py': (
    'tests/components/test_feature_engineering.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/dimensionality_reduction/component.py': (
    'tests/components/test_dimensionality_reduction.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/pruning_trainer/component.py': ('tests/components/test_pruning_trainer.py', 'tests/pipeline/test_dag.py'),
  'components/fare_evaluator/component.py': ('tests/components/test_evaluator_step.py', 'tests/pipeline/test_dag.py'),
  'components/quantization_rewriter/component.py': (
    'tests/components/test_quantization_rewriter.py',
    'tests/pipeline/test_dag.py',
  ),
  'components/compression_gate/component.py': (
    'tests/components/test_compression_gate.py',
    'tests/pipeline/test_dag.py',
  ),
  # Cache keys
  'pipeline/code_version.py': ('tests/pipeline/test_code_version.py',),
  'configs/parts.py': (
    'tests/configs/test_parts.py',
    'tests/components/test_cache_keys.py',
    'tests/components/test_dataset_parts.py',
  ),
  'models/checkpoints.py': (
    'tests/models/test_checkpoints.py',
    'tests/models/test_cache_keys.py',
    'tests/components/test_cache_keys.py',
  ),
  'models/lite/variants.py': (
    'tests/models/test_cache_keys.py',
    'tests/models/lite/test_*.py',
  ),
  'components/compression_gate/pushed_version.py': (
    'tests/components/test_compression_gate*.py',
    'tests/components/test_cache_keys.py',
  ),
  # Durability
  'models/whole_files.py': (
    'tests/pipeline/test_whole_file.py',
    'tests/components/test_push_durability.py',
  ),
  'components/pusher/component.py': ('tests/components/test_push*.py',),
  'components/pusher/rollback.py': (
    'tests/pipeline/test_rollback.py',
    'tests/components/test_push*.py',
  ),
  'components/pusher/publishing.py': (
    'tests/components/test_push*.py',
    'tests/pipeline/test_rollback.py',
  ),
  # What serves
  'models/served_versions.py': (
    'tests/models/test_served_versions.py',
    'tests/pipeline/test_what_serves.py',
  ),
  'components/resolvers/served_model.py': (
    'tests/components/test_served_model.py',
    'tests/components/test_declarations.py',
    'tests/pipeline/test_what_serves.py',
  ),
  'models/release.py': (
    'tests/models/test_manifest.py',
    'tests/models/test_golden.py',
    'tests/models/test_pushed.py',
  ),
  'models/serving.py': (
    'tests/models/test_signatures.py',
    'tests/models/test_exported.py',
  ),
  # Figures
  'models/charts.py': (
    'tests/models/test_charts.py',
    'tests/pipeline/test_chart_numbers.py',
  ),
  'pipeline/report/charts.py': (
    'tests/pipeline/test_chart_numbers.py',
    'tests/pipeline/test_report_charts.py',
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_study_page.py',
  ),
  'pipeline/study/folds.py': ('tests/pipeline/study/test_*.py',),
  'pipeline/study/results.py': ('tests/pipeline/study/test_*.py',),
  'pipeline/study/page.py': ('tests/pipeline/test_study_numbers.py', 'tests/pipeline/test_study_page.py'),
  'pipeline/study/findings.py': ('tests/pipeline/test_study_numbers.py', 'tests/pipeline/test_study_page.py'),
  'pipeline/study/sweeps.py': ('tests/pipeline/study/test_*.py',),
  'models/error_intervals.py': (
    'tests/models/test_error_intervals.py',
    'tests/models/test_comparison.py',
    'tests/pipeline/test_same_figures.py',
    'tests/components/test_compression_gate_ruling.py',
  ),
  'pipeline/report/comparison.py': (
    'tests/pipeline/test_comparison_numbers.py',
    'tests/pipeline/test_report_comparison.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/frontier.py': (
    'tests/pipeline/test_chart_numbers.py',
    'tests/pipeline/test_report_charts.py',
    'tests/pipeline/test_report*.py',
    'tests/pipeline/test_study_page.py',
  ),
  'pipeline/report/record.py': (
    'tests/pipeline/test_comparison_numbers.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/ride_map.py': (
    'tests/pipeline/test_chart_numbers.py',
    'tests/pipeline/test_report_rides.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/rides.py': (
    'tests/pipeline/test_comparison_numbers.py',
    'tests/pipeline/test_report_rides.py',
    'tests/pipeline/test_same_figures.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/tables.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/sections/data.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report_figures.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/sections/errors.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report_figures.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/sections/model.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report_figures.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/report/sections/variants.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report*.py',
    'tests/pipeline/test_artifact_page.py',
  ),
  'pipeline/report/confusion.py': ('tests/pipeline/test_artifact_page.py',),
  'pipeline/report/judged.py': ('tests/pipeline/test_page_*.py', 'tests/pipeline/test_artifact_page.py'),
  'pipeline/report/sections/training.py': (
    'tests/pipeline/test_page_*.py',
    'tests/pipeline/test_report_figures.py',
    'tests/pipeline/test_report*.py',
  ),
  'pipeline/local/summary.py': ('tests/pipeline/test_summary.py',),
  # Retention and retraining
  'pipeline/operations/retention.py': ('tests/pipeline/test_retention*.py',),
  'pipeline/retraining/ledger.py': (
    'tests/pipeline/test_ledger.py',
    'tests/pipeline/test_retraining.py',
  ),
  'pipeline/retraining/plan.py': ('tests/pipeline/test_retraining.py',),
  'pipeline/retraining/triggers.py': (
    'tests/pipeline/test_triggers.py',
    'tests/pipeline/test_retraining.py',
  ),
  'pipeline/operations/lineage.py': (
    'tests/pipeline/test_provenance.py',
    'tests/pipeline/test_runs.py',
    'tests/pipeline/test_metadata_store.py',
  ),
  'pipeline/operations/registry.py': (
    'tests/pipeline/test_provenance.py',
    'tests/pipeline/test_runs.py',
    'tests/pipeline/test_retention*.py',
    'tests/pipeline/test_metadata_store.py',
  ),
  'pipeline/operations/store.py': ('tests/pipeline/test_metadata_store.py', 'tests/pipeline/test_runs.py'),
  # Checks of the config
  'configs/checks.py': ('tests/configs/test_*checks.py',),
  'configs/pruning.py': ('tests/configs/test_pruning_steps.py', 'tests/configs/test_recipe*.py'),
  'configs/run.py': ('tests/configs/test_*.py',),
  # Features
  'transforms/civil.py': ('tests/transforms/test_civil.py',),
  'transforms/constants.py': ('tests/transforms/test_*.py',),
  'transforms/crosses.py': ('tests/transforms/test_*.py',),
  'transforms/engineering.py': ('tests/transforms/test_engineering.py', 'tests/transforms/test_*.py'),
  'transforms/in_memory.py': ('tests/transforms/test_*.py',),
  'transforms/slicing.py': ('tests/transforms/test_*.py',),
  'transforms/blocks/geographic.py': ('tests/transforms/test_engineering.py', 'tests/transforms/test_*.py'),
  'transforms/blocks/temporal.py': ('tests/transforms/test_engineering.py', 'tests/transforms/test_*.py'),
  # Spans, the gate's budget, proofs and converters
  'components/ride_example_gen/spans.py': (
    'tests/components/test_spans.py',
    'tests/components/test_ride_example_gen_split.py',
    'tests/pipeline/test_window.py',
  ),
  'components/compression_gate/choice.py': ('tests/components/test_compression_gate_ruling.py',),
  'models/compression/proof.py': (
    'tests/models/compression/test_proof.py',
    'tests/models/compression/test_facts.py',
    'tests/models/compression/test_pruning.py',
    'tests/models/compression/test_clustering.py',
  ),
  'models/lite/conversion.py': ('tests/models/lite/test_*.py',),
  'models/lite/flatbuffer.py': ('tests/models/lite/test_*.py',),
}
"""Mutated module: the tests that should notice first, besides those that import it, as patterns of files."""

LONG = (
  'compressor',
  'clustering',
  'final_models',
  'quantization_rewriter',
  'dimensionality_reduction',
  'compile_command',
)
"""Tests that take a minute or more, which have their turn last."""

EQUIVALENT: dict[str, dict[str, str]] = {
  'components/pusher/component.py': {
    'AtomicPusherExecutor.Do: entry dropped: {**exec_properties, **staged} -> {**staged}': (
      "TFX's Pusher reads nothing of its properties but the destination."
    ),
  },
  'pipeline/cloud/kfp.py': {
    '_connect: part of a condition dropped: os.environ.get(TOKEN) or None -> os.environ.get(TOKEN)': (
      'To the client of Kubeflow Pipelines an empty token is none.'
    ),
  },
  'pipeline/operations/store.py': {
    f"connection_config: part of a condition dropped: metadata.{name} or '' -> metadata.{name}": (
      'A config of a server has all three.'
    )
    for name in ('host', 'database', 'user')
  },
  'models/whole_files.py': {
    "move_whole: pair swapped: (*path.rglob('*'), path) -> (path, *path.rglob('*'))": (
      'All are flushed before the folder gets its name; in which order is not seen.'
    ),
  },
}
"""Module: faults that no test can notice, by `Mutation.key`, and why."""


def tests_of(root: pathlib.Path, module: str) -> list[str]:
  """Test files that should notice a fault in a module, the likeliest first: of the table, then those that import it.

  Args:
    root: the checkout.
    module: path of a key of `MODULES`.
  """
  dotted = module.removesuffix('.py').replace('/', '.')
  named = [path for pattern in MODULES[module] for path in sorted(root.glob(pattern))]
  importing = [path for path in sorted(root.glob('tests/**/test_*.py')) if dotted in imports(path)]
  files = dict.fromkeys(path.relative_to(root).as_posix() for path in (*named, *importing))
  files = [file for file in files if not file.startswith(('tests/integration/', 'tests/mutants/'))]
  return sorted(files, key=lambda file: any(f'test_{name}.py' in file for name in LONG))


@functools.cache
def imports(path: pathlib.Path) -> set[str]:
  """Dotted names of the modules that a file imports, wherever it does."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
      found |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
  return found


def libraries(root: pathlib.Path) -> list[str]:
  """The modules of other projects that the rooms import, by name; some may be no modules but names in one."""
  found = {name for room in ROOMS for path in (root / room).rglob('*.py') for name in imports(path)}
  return sorted(name for name in found if name.split('.')[0] not in ROOMS)
