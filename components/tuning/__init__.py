"""Tuning: one search space per model, searched by Optuna on one machine and by Katib on a cluster.

The hyper-parameters that carry ``field(metadata={"search": ...})`` are searched; each trial is scored by purged
walk-forward folds that end before the rows that the gate judges.
"""
