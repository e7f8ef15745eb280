"""The way to the models: bulkheads, circuit breakers, retries, deadlines, so that a slow or dead one slows no other."""
