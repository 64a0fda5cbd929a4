"""Makes models: reads data, prepares features, fits, evaluates, writes the artifact.

Never talks to the service; the caller uploads the model.
"""
