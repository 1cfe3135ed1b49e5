"""Whether the rides may be trained on: their schema, the statistics behind the quarantine's verdict, and the gate."""

__all__ = ['component', 'divergence', 'findings', 'inputs', 'schema']
