"""What applications ask models for: the documents' routes, built from what each model's folder declares."""
