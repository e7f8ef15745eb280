"""Experiments in the gateway: assignment from memory, payloads, records, evidence from the prediction log."""
