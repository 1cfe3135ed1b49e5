"""TFX's Trainer for the dense base and its training recipes."""
