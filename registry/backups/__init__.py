"""Folders that hold a backup: their making and their manifest. Never opens a live registry."""
