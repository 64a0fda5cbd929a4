"""Draws plots of a version's stored evaluation. Sends no requests and reads no data."""
