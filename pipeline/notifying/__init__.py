"""Telling somebody what a run came to: what is said, the channels that it goes by, and figures for Prometheus."""

__all__ = ['outcome']
