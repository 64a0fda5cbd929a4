"""The routes of other systems' protocols, for their unmodified clients.

A protocol is a codec and thin views over what serves the service's own routes: the same versions,
columns, limits and counts. It never widens what a model accepts, and never changes the answers of
the service's own routes.
"""
