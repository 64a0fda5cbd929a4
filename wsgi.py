"""The WSGI application, for granian, gunicorn and any other WSGI server. No logic."""

from api.app import create_app
from config import Settings

settings = Settings.from_environment()
app = create_app(settings)
if settings.console:
    from console import add_console

    add_console(app)
