"""The release of the client and of the service. Both distributions read it when they are built."""

__version__ = "0.1.0"
