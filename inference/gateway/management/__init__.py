"""Managing models, features and jobs: what the management routes take, answer, and check before they write a row."""
