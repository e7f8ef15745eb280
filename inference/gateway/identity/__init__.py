"""Who calls: tokens, signatures, networks."""
