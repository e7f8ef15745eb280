"""The candidates of the price forecast: one file each, all with the same verbs."""
