"""The database, its tables and history, and durable files.

Never imports another package of the registry except its errors.
"""
