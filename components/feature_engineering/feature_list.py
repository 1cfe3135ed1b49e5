"""The features that a config yields, for whoever may not know `transforms`."""

from transforms.catalogue import Categorical, Feature, categoricals
from transforms.engineering import catalogue

__all__ = ['Categorical', 'Feature', 'catalogue', 'categoricals']
