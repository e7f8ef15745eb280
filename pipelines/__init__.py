"""Graphs, and the command line."""
