"""The schema's history, by alembic: part of the package, so that an installed wheel migrates its own database."""

HEAD = "0004"
"""The newest revision in ``versions``; a process that finds it in the database needs no alembic to start."""
