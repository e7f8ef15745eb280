"""Plots as inline SVG and HTML fragments, one kind a file."""
