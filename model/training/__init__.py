"""Training a model: its data (weak labels, what is held out), the encoder, the baseline ned-base, and the loop."""
