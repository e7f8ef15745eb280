"""Predictor, transformer, explainer and detector servers, and the same as processes on one machine."""
