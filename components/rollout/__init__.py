"""Canary steps, analysis, promotion and rollback."""
