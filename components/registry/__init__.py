"""Versions, lineage and the artifact store."""
