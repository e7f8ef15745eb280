"""W1 of the serving benchmark: gradient boosted trees."""
