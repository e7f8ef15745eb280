"""Every table of the product's records, with one metadata.

Documents 1 and 4 give most of them, word for word. Where both describe a table, document 1's stands and document 4's
further columns are added to it; its ``name``, ``version``, ``type``, ``deployed_at``, ``metadata`` and
``execution_time`` are document 1's ``model_name``, ``model_version``, ``model_type``, ``deployment_date``,
``model_metadata`` and ``inference_time_ms``. Its ``ml_ab_tests`` is a view over ``model_experiments``.

``REFERENCES users(id)`` became a pseudonym: this product keeps no table of users, only keyed hashes of who they are
(:mod:`components.records.pseudonym`).
"""

from components.records.tables.base import metadata
from components.records.tables.chain import audit_chain, audit_checkpoints
from components.records.tables.documents import ml_documents
from components.records.tables.experiments import (
    experiment_assignments,
    experiment_observations,
    ml_ab_tests,
    model_experiments,
)
from components.records.tables.features import feature_values, ml_features
from components.records.tables.jobs import ml_training_jobs
from components.records.tables.journal import journal_positions
from components.records.tables.models import ml_models, model_deployments
from components.records.tables.performance import ml_metrics, model_performance_metrics
from components.records.tables.predictions import ml_predictions, outcomes
from components.records.tables.serving import model_serving_logs

__all__ = [
    "audit_chain",
    "audit_checkpoints",
    "experiment_assignments",
    "experiment_observations",
    "feature_values",
    "journal_positions",
    "metadata",
    "ml_ab_tests",
    "ml_documents",
    "ml_features",
    "ml_metrics",
    "ml_models",
    "ml_predictions",
    "ml_training_jobs",
    "model_deployments",
    "model_experiments",
    "model_performance_metrics",
    "model_serving_logs",
    "outcomes",
]
