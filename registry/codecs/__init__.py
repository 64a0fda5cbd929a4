"""Decodes request bodies to columns and encodes predictions, by the signature.

A batch is checked by column; single cells are checked only to name the faults of a bad column.
"""
