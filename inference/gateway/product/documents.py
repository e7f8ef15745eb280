"""The endpoints of documents 0, 1 and 3, as they list them: the contract, not what is served today.

A model's route appears when its folder declares it (``ProductSpec.routes``); until then it answers 404 with the routes
that exist. ``docs/api.md`` is generated from this table, and a test asks every row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One row of a document's catalogue.

    Attributes
    ----------
    document : int
        0 (Spark), 1 (TREUM) or 3 (Nivesh).
    method, path : str
        As the document writes them.
    purpose : str
        In its words.
    """

    document: int
    method: str
    path: str
    purpose: str


def _rows(document: int, text: str) -> list[Endpoint]:
    rows = []
    for line in text.strip().splitlines():
        method, path, purpose = line.split(maxsplit=2)
        rows.append(Endpoint(document, method, path, purpose))
    return rows


DOCUMENT_0 = _rows(
    0,
    """
    POST /api/ml/portfolio/health Portfolio Health Score
    POST /api/ml/recommendations/generate Investment Recommendations
    GET /api/ml/sentiment/aggregate Sentiment Analysis
    POST /api/ml/predictions/price Price Prediction
    POST /api/ml/risk/assess Risk Assessment
    POST /api/ml/goals/predict Goal Achievement Prediction
    POST /api/ml/auto-invest/optimize Strategy Optimization
    POST /api/ml/batch/predict Batch Predictions (for dashboards)
    """,
)
DOCUMENT_1 = _rows(
    1,
    """
    GET /api/v1/ml/models List all models
    GET /api/v1/ml/models/{id} Get model details
    POST /api/v1/ml/models Register new model
    PUT /api/v1/ml/models/{id}/deploy Deploy model to production
    PUT /api/v1/ml/models/{id}/retire Retire model
    GET /api/v1/ml/models/{id}/performance Model performance metrics
    GET /api/v1/ml/models/{id}/predictions Recent predictions
    POST /api/v1/ml/predict/price Price prediction
    POST /api/v1/ml/predict/sentiment Sentiment analysis
    POST /api/v1/ml/predict/portfolio-risk Portfolio risk assessment
    POST /api/v1/ml/predict/market-regime Market regime detection
    POST /api/v1/ml/predict/volatility Volatility forecasting
    POST /api/v1/ml/predict/batch Batch predictions
    GET /api/v1/ml/features List available features
    POST /api/v1/ml/features/compute Compute features for entity
    GET /api/v1/ml/features/{id}/values Get feature values
    POST /api/v1/ml/features/{id}/importance Calculate feature importance
    POST /api/v1/ml/training/jobs Start training job
    GET /api/v1/ml/training/jobs List training jobs
    GET /api/v1/ml/training/jobs/{id} Get job status
    POST /api/v1/ml/training/jobs/{id}/cancel Cancel training job
    GET /api/v1/ml/experiments List A/B test experiments
    POST /api/v1/ml/experiments Create new experiment
    POST /api/v1/ml/explain/shap SHAP explanations
    POST /api/v1/ml/explain/lime LIME explanations
    POST /api/v1/ml/explain/counterfactual Counterfactual explanations
    GET /api/v1/ml/explain/feature-importance Global feature importance
    POST /api/v1/ml/explain/decision-tree Decision tree surrogate
    GET /api/v1/ml/monitoring/performance Real-time performance metrics
    GET /api/v1/ml/monitoring/drift Model drift detection
    GET /api/v1/ml/monitoring/alerts ML system alerts
    GET /api/v1/ml/analytics/usage Model usage analytics
    GET /api/v1/ml/analytics/costs ML infrastructure costs
    POST /api/v1/ml/automl/start Start AutoML pipeline
    GET /api/v1/ml/automl/status AutoML job status
    POST /api/v1/ml/optimization/hyperparameters Hyperparameter optimization
    GET /api/v1/ml/optimization/results Optimization results
    """,
)
DOCUMENT_3 = _rows(
    3,
    """
    POST /predict/intent Intent Classification
    POST /predict/ner Financial NER
    POST /predict/spending Spending Pattern Prediction
    POST /predict/anomaly Anomaly Detection
    POST /predict/credit_risk Credit Risk Scoring
    POST /api/v1/gemini/advice Fine-tuned advisor
    POST /admin/deploy Deploy a registered version
    """,
)
ENDPOINTS: tuple[Endpoint, ...] = (*DOCUMENT_0, *DOCUMENT_1, *DOCUMENT_3)
