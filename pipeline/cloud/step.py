"""The process of a step in the cloud: TFX's own entry, which begins a second of CPU earlier with lazy packages."""

from __future__ import annotations

import runpy

from pipeline import lazy_packages

COMMAND = ('python', '-m', 'pipeline.cloud.step')
"""What a container runs; the arguments are those of TFX's entry."""

if __name__ == '__main__':
  lazy_packages.install()
  runpy.run_module(
    'tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor', run_name='__main__', alter_sys=True
  )
