"""What `benchmarks.trainer` times inside of the trainer is there, under those names."""

import pytest

from benchmarks.trainer import places


@pytest.mark.parametrize(('owner', 'name', 'part'), [pytest.param(*place, id=place[2]) for place in places()])
def test_what_is_timed_is_there(owner, name, part):
  assert callable(getattr(owner, name, None)), f'benchmarks.trainer times nothing for: {part}'
