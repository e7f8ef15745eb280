"""Indicators, windows and market context: one set of functions for Feast, training and serving."""
