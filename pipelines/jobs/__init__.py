"""Jobs that the product API asks for: a queue in the database, a worker, and what it runs for each kind of job."""
