"""Predicts a file of any size to another file, in chunks, in constant memory.

Imports nothing but the client; pyarrow, fsspec and distributed only where a file or a scheduler
requires them.
"""
