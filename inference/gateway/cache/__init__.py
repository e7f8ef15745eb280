"""The cache of answers: per model, in this process, and behind it one that replicas share where Redis is configured."""
