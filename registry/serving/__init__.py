"""What is loaded and how it answers: bytes to arrays, arrays to predictions.

Never opens a write transaction and never knows who asks.
"""
