"""What the gate needs of an implementation, for a user's own model; see `configs.task.Task`."""

from __future__ import annotations

import math

from components.compression_gate.choice import Thresholds
from configs.compression import Budget
from configs.task import Task


def task_thresholds(task: Task) -> Thresholds:
  """What a model must reach."""
  return Thresholds(
    math.inf if task.limit is None else task.limit,
    math.inf if task.max_loss_to_served is None else task.max_loss_to_served,
    unit=task.unit,
    setting='task.limit',
    increase_setting='task.max_loss_to_served',
    loss_setting='task.max_loss',
    slice_setting='task.worst_slice_loss',
    sample_setting='task.judged_examples',
  )


def task_budget(task: Task, budget: Budget) -> Budget:
  """A budget whose two ratios are what a task allows: of an accuracy or AUC what may be lost, of an error the ratio."""

  def limit(loss: float | None) -> float | None:
    return loss if loss is None or task.judged.larger_is_better else 1 + loss

  limits = {'rmse_ratio': limit(task.max_loss), 'worst_slice_ratio': limit(task.worst_slice_loss)}
  return budget.model_copy(update=limits)
