"""The file formats of artifacts, and what a file of each may hold.

Never loads a type that is not named in full in ``allowed``, and never runs what it has loaded.
"""
