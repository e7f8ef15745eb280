"""A real model on features of the feature store: a few columns and the window of bars."""
