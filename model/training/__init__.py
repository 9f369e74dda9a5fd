"""Training a model: its data (weak labels, substitution, stored documents, splits, schedules) and the loop."""
