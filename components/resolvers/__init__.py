"""What an earlier run left that this one compares itself with."""

__all__ = ['served_model', 'strategies']
