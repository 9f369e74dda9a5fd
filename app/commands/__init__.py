"""The commands of `namesake`, one module each. They load the heavy libraries only when they run."""
