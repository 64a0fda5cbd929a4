"""What the Try page shows: fields made from a signature, answers, hints, and what-if curves."""
