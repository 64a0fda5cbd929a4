"""Content-addressed bytes, and files that are not content-addressed yet. Never interprets them."""
