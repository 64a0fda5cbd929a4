"""Content-addressed bytes. Never knows what the bytes mean."""
