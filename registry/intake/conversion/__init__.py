"""Fitted scikit-learn models as ONNX graphs. Runs in the intake's child only: never in a worker.

Everything is computed in double, in scikit-learn's own order of operations, so that predictions
agree to the last digits. skl2onnx converts steps without a converter here.
"""
