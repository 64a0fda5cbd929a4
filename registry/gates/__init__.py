"""Gates, which a version has to pass before an alias may point at it, and their evaluation.

Never opens a transaction, and never imports ``live``. Trainers and commands import the language of
gates, so importing this package or its ``grammar`` loads no engine.
"""

from registry.gates.grammar import Gate, parse, parse_all

__all__ = ["Gate", "parse", "parse_all"]
