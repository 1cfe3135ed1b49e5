"""Names of the files in a `ReductionReport`, for whoever may not know `models`."""

from models.reduction.pictures import LOADINGS, POINTS, RECONSTRUCTION, SCORES, SCREE
from models.reduction.saving import ARRAYS_FILE, DETAILS_FILE

__all__ = ['ARRAYS_FILE', 'DETAILS_FILE', 'LOADINGS', 'POINTS', 'RECONSTRUCTION', 'SCORES', 'SCREE']
