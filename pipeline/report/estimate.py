"""A figure with its interval, as the records hold it."""

from __future__ import annotations

from configs.records import Estimate, estimate

__all__ = ['Estimate', 'estimate']
