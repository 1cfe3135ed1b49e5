"""The report of a run: one HTML page that needs no network, from `summary.json` and the artifacts alone."""

__all__ = ['charts', 'comparison', 'frontier', 'page', 'record', 'tables']
