"""The core: knows what was trained and which version is live.

Never imports flask, marshmallow, api, trainers or cli.
"""
