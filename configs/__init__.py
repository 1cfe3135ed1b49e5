"""What a user may change: typed models, presets and how they are read. Knows no other room."""
