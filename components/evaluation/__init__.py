"""Metrics, walk-forward splits, baselines, statistical tests, gates, cards and plots."""
