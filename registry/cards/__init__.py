"""Texts in blocks, and the one writer of Markdown: what is not ours is never markup."""
