"""A tiny real model that tests serve, explain, watch and roll out."""
