"""Hosts that share one database: a change that was answered holds on all of them.

The protocol uses neither SQLAlchemy nor threads, so that a test can drive it step by step.
"""
