"""Imports models from other registries, for ``hotswap import``.

Sources are read as written by others: what they say is checked and bounded, and no model of theirs
is loaded here. The service inspects each file, as with any upload.
"""
