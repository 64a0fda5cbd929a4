"""Webhooks: which events go to whom, how a message is written and signed, and how it is sent.

Reads no table and keeps no state: the operations on the registry do both.
"""
