"""The powers of five by which the compiled decoders multiply decimals of many digits."""

import struct
from functools import cache

_LEAST, _LARGEST = -342, 308
"""Of 19 digits, the power of ten before makes zero, and the one behind makes infinity."""
_ROUNDED_UP = -27
"""From here to -1 the table of the paper has the next integer: a product of 64 bits with one of
these powers can be exactly between two doubles."""
_BITS = 128


@cache
def powers_of_five() -> bytes:
    """The first 128 bits of each power from -342 to 308, as two integers of 64 bits.

    Lemire, "Number Parsing at a Gigabyte per Second", has the definition in its appendix.
    """
    below = [_reciprocal(power) for power in range(_LEAST, 0)]
    above = [_first_bits(5**power) for power in range(_LARGEST + 1)]
    words = (word for bits in below + above for word in (bits >> 64, bits & (2**64 - 1)))
    return struct.pack(f"={2 * (len(below) + len(above))}Q", *words)


def _reciprocal(power: int) -> int:
    five: int = 5**-power
    bits = (1 << (five.bit_length() + _BITS - 1)) // five
    return bits + 1 if power >= _ROUNDED_UP else bits


def _first_bits(five: int) -> int:
    surplus = five.bit_length() - _BITS
    return five >> surplus if surplus > 0 else five << -surplus
