"""Fitted scikit-learn models as ONNX graphs. Runs in the intake's child only: never in a worker.

Everything is computed in double, in scikit-learn's own order of operations, so that the answers
agree to the last digits. Steps without a converter here are left to skl2onnx.
"""
