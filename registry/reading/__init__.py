"""What lists, pages and reports read.

Never writes, and never loads a model.
"""
