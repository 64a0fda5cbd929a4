"""Guards, which end a rollout when the new version does worse than a limit, and their statistics.

Computes from counts alone: it reads no database, no file and no clock.
"""
