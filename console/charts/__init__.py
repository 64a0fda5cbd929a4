"""Coordinates of charts, computed from figures. Never imports Flask; templates draw them as SVG."""
