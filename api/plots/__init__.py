"""The route of plots, and their SVG documents.

Decides only how they look; what is drawn, and where, is in ``registry.plots``.
"""

from api.plots.view import blueprint, plot_response

__all__ = ["blueprint", "plot_response"]
