"""The pages, a blueprint for each."""
