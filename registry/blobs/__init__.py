"""Content-addressed bytes. Never interprets them."""
