"""The metrics of predictions and how uncertain they are, for the client, trainers and gates alike.

Imports numpy and nothing of ours; knows nothing of versions, holdouts or requests.
docs/decisions/0050-one-call-after-fit.md says why it is part of the client.
"""
