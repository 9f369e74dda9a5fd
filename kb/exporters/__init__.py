"""Ways out of the knowledge base."""
