"""``python -m cli``: the ``hotswap`` command, for a process that starts another one."""

from cli.main import main

if __name__ == "__main__":
    main()
