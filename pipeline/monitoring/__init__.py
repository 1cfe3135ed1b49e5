"""What fares that came in later say of the versions that served: `farelite monitor`.

`later_fares` brings rides and predictions together, `judging` holds their errors against what was promised, `verdict`
is the record of it, which alone is light enough for the triggers of `farelite retrain`.
"""

__all__ = ['judging', 'later_fares', 'verdict']
