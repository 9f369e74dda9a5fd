"""Fitting the feature scorer on labelled documents."""
