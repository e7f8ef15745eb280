"""What predicting and training cost: measured time, at prices that the operator configures."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field
from sqlalchemy import Connection, func, select

from components.catalog import catalogue
from components.records.tables import ml_training_jobs, model_serving_logs
from inference.gateway.config import GatewaySettings

LEFT_OUT = (
    "Replicas that wait for requests: only the time in which models worked is counted.",
    "The gateway, explainers, detectors, transformers, databases, object storage, network and monitoring.",
    "Jobs that Kubeflow runs by schedule, and notebooks: they write no row of ml_training_jobs.",
    "Discounts, taxes and people.",
)


class ModelCost(BaseModel):
    """What one model cost."""

    model: str = Field(examples=["price_forecast"])
    accelerator: bool = Field(description="whether its predictions are priced as GPU time", examples=[False])
    requests: int = Field(examples=[20411])
    inference_core_seconds: float = Field(examples=[812.4])
    inference_cost: float = Field(examples=[0.79])
    training_jobs: int = Field(examples=[2])
    training_cpu_hours: float = Field(examples=[3.2])
    training_gpu_hours: float = Field(examples=[0.0])
    training_cost: float = Field(examples=[11.2])


class Costs(BaseModel):
    """What all models cost over some days."""

    begin: date
    end: date
    currency: str = Field(examples=["INR"])
    cpu_hour_cost: float = Field(examples=[3.5])
    gpu_hour_cost: float = Field(examples=[60.0])
    total: float = Field(examples=[11.99])
    models: list[ModelCost]
    left_out: list[str] = Field(examples=[list(LEFT_OUT)])


def costs(connection: Connection, begin: date, end: date, config: GatewaySettings) -> Costs:
    """Return the costs of the days from ``begin`` to ``end``, both included.

    Predictions count the milliseconds that a model was waited for, as one core's; answers from the cache cost nothing.
    Jobs count the hours that their worker measured, in the days in which they ended.
    """
    first = datetime.fromisoformat(f"{begin.isoformat()}T00:00:00+00:00")
    after = datetime.fromisoformat(f"{end.isoformat()}T00:00:00+00:00") + timedelta(days=1)
    found: dict[str, ModelCost] = {}
    for model, requests, milliseconds in _inference(connection, first, after):
        cost = _of(found, model)
        cost.requests, cost.inference_core_seconds = requests, round(float(milliseconds or 0) / 1e3, 3)
        price = config.gpu_hour_cost if cost.accelerator else config.cpu_hour_cost
        cost.inference_cost = round(cost.inference_core_seconds / 3600 * price, 6)
    for model, jobs, cpu, gpu in _training(connection, first, after):
        cost = _of(found, model or "")
        cost.training_jobs, cost.training_cpu_hours = jobs, round(float(cpu or 0), 4)
        cost.training_gpu_hours = round(float(gpu or 0), 4)
        spent = cost.training_cpu_hours * config.cpu_hour_cost + cost.training_gpu_hours * config.gpu_hour_cost
        cost.training_cost = round(spent, 6)
    models = [found[name] for name in sorted(found)]
    return Costs(
        begin=begin,
        end=end,
        currency=config.currency,
        cpu_hour_cost=config.cpu_hour_cost,
        gpu_hour_cost=config.gpu_hour_cost,
        total=round(sum(m.inference_cost + m.training_cost for m in models), 6),
        models=models,
        left_out=list(LEFT_OUT),
    )


def _of(found: dict[str, ModelCost], model: str) -> ModelCost:
    if model not in found:
        spec = catalogue().get(model)
        found[model] = ModelCost(
            model=model,
            accelerator=bool(spec and spec.serving.accelerator),
            requests=0,
            inference_core_seconds=0.0,
            inference_cost=0.0,
            training_jobs=0,
            training_cpu_hours=0.0,
            training_gpu_hours=0.0,
            training_cost=0.0,
        )
    return found[model]


def _inference(connection: Connection, begin: datetime, end: datetime) -> list[tuple[str, int, float]]:
    s = model_serving_logs.c
    query = (
        select(s.model_name, func.count(), func.sum(s.inference_time_ms))
        .where(s.timestamp >= begin, s.timestamp < end, s.model_name.is_not(None), s.model_name != "")
        .group_by(s.model_name)
    )
    return [(model, count, total) for model, count, total in connection.execute(query)]


def _training(connection: Connection, begin: datetime, end: datetime) -> list[tuple[str, int, float, float]]:
    j = ml_training_jobs.c
    query = (
        select(j.model_name, func.count(), func.sum(j.actual_cpu_hours), func.sum(j.actual_gpu_hours))
        .where(j.completed_at >= begin, j.completed_at < end)
        .group_by(j.model_name)
    )
    return [(model, count, cpu, gpu) for model, count, cpu, gpu in connection.execute(query)]
