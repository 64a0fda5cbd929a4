"""What predicts: compiled forms, ONNX Runtime, and scikit-learn in a confined process.

Never knows which versions are live, and never touches the database.
"""
