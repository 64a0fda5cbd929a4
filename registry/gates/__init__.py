"""What a version has to be before an alias may point at it: the language of gates and its verdicts.

Never measures anything, and imports nothing heavy: trainers and commands check their gates with it.
"""

from registry.gates.grammar import Gate, parse, parse_all

__all__ = ["Gate", "parse", "parse_all"]
