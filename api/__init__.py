"""The HTTP API in Flask. Never decides what the registry should do."""
