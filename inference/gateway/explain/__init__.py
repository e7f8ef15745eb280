"""Explanations for applications: what is explained, by whom, and how it is told and kept."""
