"""Bytes to columns and predictions to bytes, by the signature.

A batch is checked by column; a bad cell is looked for only where a column turned out wrong.
"""
