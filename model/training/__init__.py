"""The data side of training: weak labels, alias substitution, stored documents, splits and schedules."""
