"""The HTTP client of the service. Imports nothing of ours, so that it can be installed alone."""
