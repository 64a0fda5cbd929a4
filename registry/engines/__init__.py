"""What turns a batch into predictions: compiled forms, ONNX, and the confined model process.

Never knows which versions are live, and never touches the database.
"""
