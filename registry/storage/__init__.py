"""The database, its tables and history, and durable files.

Never imports another room of the registry, only its errors.
"""
