"""The model that serves now, read from the push destination."""
