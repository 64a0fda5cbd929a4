"""The ``hotswap`` command as a module, for tests that need a process of its own."""

from cli.main import main

if __name__ == "__main__":
    main()
