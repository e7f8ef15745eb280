"""What the gateway's routes share, made once per process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

if TYPE_CHECKING:
    from components.records.database import Database
    from components.records.log import PredictionLog
    from inference.gateway.cache.prediction_cache import PredictionCache
    from inference.gateway.calls.model_calls import ModelCalls
    from inference.gateway.config import GatewaySettings
    from inference.gateway.identity.door_keeper import DoorKeeper
    from inference.gateway.limits.rate_limiter import RateLimiter
    from inference.gateway.metrics import GatewayMetrics
    from inference.gateway.product.products import Products
    from inference.gateway.product.service import PredictionService
    from inference.gateway.table import ModelTable


@dataclass
class Services:
    """What one gateway process holds.

    Attributes
    ----------
    config : GatewaySettings
    table : ModelTable
        Models that are served, and where.
    database : Database
        The product's records.
    log : PredictionLog
        Where predictions are written.
    cache : PredictionCache
    calls : ModelCalls
        The way to the models: bulkheads, breakers, time-outs.
    keeper : DoorKeeper
        Establishes who calls.
    limiter : RateLimiter
    metrics : GatewayMetrics
    products : Products
        Which model answers which route.
    predictions : PredictionService
        Asks a model for an application: cache, experiment, log.
    """

    config: GatewaySettings
    table: ModelTable
    database: Database
    log: PredictionLog
    cache: PredictionCache
    calls: ModelCalls
    keeper: DoorKeeper
    limiter: RateLimiter
    metrics: GatewayMetrics
    products: Products
    predictions: PredictionService


def services(request: Request) -> Services:
    """Return the services of the application that answers this request."""
    found: Services = request.app.state.services
    return found
