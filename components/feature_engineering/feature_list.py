"""The features that a config yields, for whoever may not know `transforms`."""

from transforms.catalogue import Categorical, Feature, catalogue, categoricals

__all__ = ['Categorical', 'Feature', 'catalogue', 'categoricals']
