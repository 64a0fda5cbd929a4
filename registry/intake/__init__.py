"""Reads, checks and compiles uploaded bytes before they become a version.

An artifact is opened only in a process of its own; what that process sends is read as plain data.
"""
