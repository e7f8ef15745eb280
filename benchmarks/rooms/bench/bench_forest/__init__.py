"""W2 of the serving benchmark: a random forest."""
