"""What a version has to meet before an alias may point at it: gates, and their evaluation.

The language of gates is imported by trainers and commands too, so importing this package or its
``grammar`` loads no engine. Never opens a write transaction, and never knows who asks.
"""

from registry.gates.grammar import Gate, parse, parse_all

__all__ = ["Gate", "parse", "parse_all"]
