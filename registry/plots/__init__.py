"""Coordinates of the plots of a stored evaluation, for whoever draws them.

Scales and curves are pure functions of figures. Knows nothing of markup and colours.
"""
