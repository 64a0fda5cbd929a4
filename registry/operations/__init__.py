"""What can be done to the registry, one verb a file. Each owns its transaction.

Never knows of HTTP; takes its collaborators in the call and keeps nothing between calls.
"""
