"""Runs by the clock: cron expressions with a time zone, as a systemd timer or as a schedule in a cloud."""

__all__ = ['cron', 'local']
