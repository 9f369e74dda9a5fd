"""Ways into the knowledge base."""
