"""Benchmarks of the service and of its peers, and the last results."""
