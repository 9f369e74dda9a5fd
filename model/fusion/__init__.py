"""The fusion model: candidates of a window read its words and each other."""
