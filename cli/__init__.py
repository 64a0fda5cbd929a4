"""The ``hotswap`` command. Holds no logic of its own beyond asking, showing and exit codes."""
