"""Uploaded ONNX files: checked as data, run once, and written anew in the layout that serves.

Runs in the intake's child only, but for the tables of what is taken. A worker never opens what was
uploaded, only what was written here.
"""
