"""Takes boosted trees of uploads for our kernel: their signatures, features and compiled forms.

Runs in a confined process only.
"""
