"""The REST API, the command line and everything that puts `model` and `kb` together."""
