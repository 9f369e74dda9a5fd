"""Annotating files of documents on this machine: `namesake annotate`."""
