"""Forms: what a person typed, checked by a schema, and shown again with its faults."""
