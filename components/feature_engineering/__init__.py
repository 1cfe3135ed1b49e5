"""FeatureEngineering: a typed front on TFX's Transform."""
