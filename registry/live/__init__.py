"""What is loaded in this worker and in the others of its host, and which version is live.

Never decides whether a version may become live.
"""
