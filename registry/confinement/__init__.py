"""Processes that may do nothing but compute: how they are made, what they may not, what is missing.

Knows nothing of models or artifacts. Whoever uses it names the code that is to run confined.
"""
