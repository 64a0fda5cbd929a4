"""Makes models: reads data, prepares features, fits, evaluates, writes the artifact.

Never talks to the service; what it makes is uploaded by whoever asked for it.
"""
