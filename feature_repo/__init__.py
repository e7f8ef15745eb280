"""Feast entities, sources, feature views and feature services."""
