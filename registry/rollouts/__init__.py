"""Rollouts: what is to happen step by step, what was counted, and what follows from it.

Computes from plans, counts and times alone: it reads no database, no file and no clock.
"""
