"""Pictures of what a version keeps of its evaluation. Asks nobody for anything; reads no data."""
