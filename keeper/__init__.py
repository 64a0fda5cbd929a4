"""The keeper: the process of a host that looks after what is live.

It moves rollouts, evaluates their guards, opens alerts and delivers webhooks. Predictions never
wait for it, and continue without it.

Imports the registry and the settings only: neither Flask nor scikit-learn, pandas or scipy.
"""
