"""The product's records: models, predictions, outcomes, experiments, jobs and deployments, on SQLite or PostgreSQL."""
