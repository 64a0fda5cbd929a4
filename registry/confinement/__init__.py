"""Processes that may only compute: how they start, what they may not do, what the machine lacks.

Knows nothing of models or artifacts. The caller names the code to run confined.
"""
