"""What only the rides can tell."""


class ReductionError(ValueError):
  """The rides don't allow the reduction that the config asks for; the message is one sentence."""
