"""From a query or a table in BigQuery to canonical, validated and split tf.Examples.

`reader` needs the service and nothing else does: rows become Parquet files, and those go the way of all files in
`ride_example_gen`, by the same mapping and rules, with the same quarantine.
"""

__all__ = ['component']
