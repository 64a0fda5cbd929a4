"""Pages for people, under ``/console``: what is live, since when, who did it and why.

Reads by the registry's queries and changes by its operations, with the rights of the token that
somebody signed in with. Never calls the API over HTTP, and nothing imports it except ``wsgi``.
"""

from console.app import add_console

__all__ = ["add_console"]
