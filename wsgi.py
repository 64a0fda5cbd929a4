"""The WSGI application, for granian, gunicorn and any other WSGI server. No logic."""

from api import create_app
from config import Settings

app = create_app(Settings.from_environment())
