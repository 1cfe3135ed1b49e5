"""Names of what the Transform step yields; everything after it reads columns by these."""

from __future__ import annotations

from configs.dataset import LABEL as LABEL

NUMERIC = 'numeric'
"""Float32 [batch, n]: the standardized feature vector, in the catalogue's order."""

SLICE_TIME_BAND = 'slice_time_band'
"""Int64 [batch]: index into `Slices.hours` of the band that holds the hour of pickup."""

SLICE_DISTANCE_BAND = 'slice_distance_band'
"""Int64 [batch]: index into `Slices.distance_km`; the number of bands where an end of the ride is missing."""

SLICE_AIRPORT = 'slice_airport'
"""Int64 [batch]: 1 if either end of the ride is near an airport."""

SLICE_MISSING_DROPOFF = 'slice_missing_dropoff'
"""Int64 [batch]: 1 if the dropoff is missing."""

SLICES = (SLICE_TIME_BAND, SLICE_DISTANCE_BAND, SLICE_AIRPORT, SLICE_MISSING_DROPOFF)
"""The slice columns of every dataset. They serve the evaluation and are no inputs of the model."""
