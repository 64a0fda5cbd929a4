"""Checks an installation and its data directory, and reports what works and what is missing.

Never changes what it checks; imports no operations, nothing of HTTP or of commands.
"""
