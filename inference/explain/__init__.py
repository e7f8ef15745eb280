"""Explanation methods: each attributes or bounds one number that a model answers."""
