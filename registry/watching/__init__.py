"""What the loaded versions answer, counted over all workers of a server.

Never changes, delays or fails a prediction, and never writes to the database.
"""
