"""TFX's Pusher, made atomic."""

__all__ = ['component', 'publishing', 'rollback']
