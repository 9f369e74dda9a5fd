"""What answers are written as: one module a format, and `formats`, which knows them all."""
