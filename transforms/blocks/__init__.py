"""Blocks of numeric features, each a module named as its field of `configs.features.Features`.

A module names its features (`catalogue`) and makes them (`engineer`); `transforms.engineering.Block` has both
signatures. It is found by its name.
"""

__all__ = ['geographic', 'temporal']
