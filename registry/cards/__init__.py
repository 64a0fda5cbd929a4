"""Model cards: their content in blocks, and the Markdown writer.

Never knows of HTTP or HTML, and never treats a text of users as markup.
"""
