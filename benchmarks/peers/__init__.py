"""The peers, each configured as its own documentation recommends for production, with one worker.

These files run in the peers' environments and import no module of this project.
"""
