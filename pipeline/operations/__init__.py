"""What the metadata store knows: runs, pushes, lineage, and what may be removed."""

__all__ = ['lineage', 'registry', 'retention', 'store']
