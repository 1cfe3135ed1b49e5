"""What each command does and shows; `pipeline.cli` parses, and loads one of these when its command is called."""
