"""Helpers that tests of several packages share; import as ``tests.support...`` (run ``python -m pytest``)."""
