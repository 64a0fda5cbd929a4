"""The ``hotswap`` command: options, output and exit codes, and no other logic."""
