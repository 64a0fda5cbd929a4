"""What happens to uploaded bytes before they are a version.

An artifact is opened only in a process of its own; what that process says is read as plain data.
"""
