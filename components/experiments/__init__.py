"""Experiments that compare two versions of a model on users: assignment, statistics, verdict. No I/O."""
