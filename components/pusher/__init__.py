"""TFX's Pusher, made atomic."""
