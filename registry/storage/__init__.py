"""Where records and files are kept: the database, its tables and history, and durable files.

Never knows what a record is used for, and never imports another room of the registry.
"""
