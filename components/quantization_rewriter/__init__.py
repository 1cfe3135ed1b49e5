"""Every trained recipe in every conversion scheme, as one raw-input TFLite file each."""

__all__ = ['component', 'records']
