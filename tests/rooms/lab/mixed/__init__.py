"""A model with every kind of tensor, that fails on demand: for tests of the predictor's edges."""
