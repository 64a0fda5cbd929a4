"""Runs fits on the workers of a Dask cluster, with the same results as in this process.

Knows tasks and data only as values that can be pickled; which fits there are is up to the caller.
``distributed`` is an extra, and imported when a cluster is connected.
"""
