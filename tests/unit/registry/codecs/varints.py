"""Numbers of variable length in Thrift's compact protocol."""


def varint(number, *, signed=True):
    if signed:
        number = number * 2 if number >= 0 else -number * 2 - 1
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def read_varint(data, at):
    """The number without a sign at that position, and where it ends."""
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
