"""The route of plots, and their SVG documents.

Decides only how they look; what is drawn, and where, is in ``registry.plots``.
"""

from api.plots.view import blueprint

__all__ = ["blueprint"]
