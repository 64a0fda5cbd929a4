"""Queries for lists, pages and reports.

Never writes to the database, and never loads a model.
"""
