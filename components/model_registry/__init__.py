"""Notes pushed versions in Vertex AI's Model Registry, as a TFX component."""

__all__ = ['component']
