"""The versions that the workers of this host have loaded, and which of them is live.

Never writes to the database, and never imports gates or operations.
"""
