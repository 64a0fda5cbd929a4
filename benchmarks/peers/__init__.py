"""The peers, each as its own documentation sets it up for production, with one worker.

These files run in the peers' environments and import nothing of ours.
"""
