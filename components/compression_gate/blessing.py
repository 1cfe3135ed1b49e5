"""The blessing that TFX's Pusher asks for, written as TFX's InfraValidator does (tfx/components/infra_validator)."""

from __future__ import annotations

import os

from tfx import types
from tfx.utils import io_utils

_PROPERTY = 'blessed'
_FILES = {True: 'INFRA_BLESSED', False: 'INFRA_NOT_BLESSED'}


def write_blessing(blessing: types.Artifact, is_blessed: bool) -> None:
  """Marks an InfraBlessing artifact, by a custom property and an empty file."""
  io_utils.write_string_file(os.path.join(blessing.uri, _FILES[is_blessed]), '')
  blessing.set_int_custom_property(_PROPERTY, int(is_blessed))
