"""Notes a run that has ended in other systems: MLflow, OpenLineage."""

__all__ = ['trackers']
