"""What the metadata store knows: runs, pushes, lineage, and what may be removed."""
