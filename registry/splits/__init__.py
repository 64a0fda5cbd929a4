"""Splits of an alias: which of its versions answers a request.

Computes from keys and weights alone: it reads no database, no file and no clock.
"""
