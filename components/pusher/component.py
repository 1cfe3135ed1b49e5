"""TFX's Pusher with an executor that makes a version appear whole or not at all."""

from __future__ import annotations

from typing import Any

from tfx.components.pusher import component as tfx_pusher
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import channel

from components.pusher.executor import AtomicPusherExecutor


class AtomicPusher(tfx_pusher.Pusher):
  """Pushes a blessed model under a version above all that are there.

  Outputs as TFX's Pusher: `pushed_model`, whose custom properties `pushed`, `pushed_destination` and `pushed_version`
  name the final path.

  Args:
    model: the model to push.
    model_blessing: the Evaluator's.
    infra_blessing: a second one, if there is any; both have to bless.
    push_destination: the directory of the versions.
    custom_config: passed on to the executor.
  """

  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AtomicPusherExecutor)

  def __init__(
    self,
    *,
    model: channel.BaseChannel,
    model_blessing: channel.BaseChannel,
    infra_blessing: channel.BaseChannel | None = None,
    push_destination: pusher_pb2.PushDestination,
    custom_config: dict[str, Any] | None = None,
  ) -> None:
    super().__init__(
      model=model,
      model_blessing=model_blessing,
      infra_blessing=infra_blessing,
      push_destination=push_destination,
      custom_config=custom_config,
    )
