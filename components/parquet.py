"""Parquet files for every room: `from components.parquet import pq`.

pyarrow 10, the older lane's, unpickles an extension type that a file declares, and so runs what its author wrote
(CVE-2023-47248). `pyarrow_hotfix` takes that type out, and has to be imported before the first file is opened.
"""

import sys

import pyarrow.parquet as pq

if sys.version_info < (3, 11):
  import pyarrow_hotfix  # noqa: F401, imported for what it does

__all__ = ['pq']
