"""What can be done to the registry, one verb in each file. Each owns its transaction.

Never imports HTTP or commands, and keeps nothing between calls: collaborators are arguments.
"""
