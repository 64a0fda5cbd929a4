"""Folders with a backup, and their manifest. Never opens a live registry."""
