"""The report of a run: one HTML page that needs no network, from `summary.json` and the artifacts alone."""

from pipeline.report.page import write, write_comparison

__all__ = ['write', 'write_comparison']
