"""What ``benchmarks/models_money.py`` measures, a file per model."""
