"""The named-entity disambiguator: text and candidates in, links out."""

import os

# ONNX Runtime reports its use to its makers over the network, unless this stands in the environment when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
