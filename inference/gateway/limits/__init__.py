"""How much a caller may ask, and whether its questions look like the theft of a model."""
