"""Blocks of numeric features, each a module named as its field of `configs.features.Features`.

A module says what its features are called (`catalogue`) and makes them (`engineer`); `transforms.engineering.Block` has
both signatures. It is found by its name.
"""

__all__ = ['geographic', 'temporal']
