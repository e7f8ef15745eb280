"""Sources, dataset builders, schemas and quality checks."""
