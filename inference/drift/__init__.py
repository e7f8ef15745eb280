"""Drift tests: pure functions of a reference sample and a window of served rows."""
