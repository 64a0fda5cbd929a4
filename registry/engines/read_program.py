"""Reads a model's compiled preprocessing."""

from registry.engines.chain_program import ChainProgram, invalid_program
from registry.engines.chains_file import from_bytes
from registry.engines.text_program import TextProgram
from registry.signature import Signature


def read_program(data: bytes, signature: Signature) -> ChainProgram | TextProgram:
    """The program in a file, given as its bytes.

    Raises ArtifactRefused where the bytes are not such a file, or are for another signature.
    """
    try:
        file = from_bytes(data)
    except ValueError as error:
        raise invalid_program(error) from error
    if file.text_columns:
        return TextProgram(file, signature)
    return ChainProgram(file, signature)
