"""Where a rollout happens: local processes, or KServe."""
