"""The candidates of the volatility forecast: one file each, all with the same verbs."""
