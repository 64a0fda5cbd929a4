"""Looks at an installation and its data directory, and says what is there and what is missing.

Never changes anything it looks at; imports no operations, nothing of HTTP or of commands.
"""
