"""The live index: a snapshot, and beside it the delta of what changed since."""
