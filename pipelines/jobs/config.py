"""The settings of one worker, from ``ARTHAFLOW_JOBS_*`` environment variables; the command line's flags win."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Target = Literal["local", "kubeflow"]


class JobSettings(BaseSettings):
    """Settings of one worker process.

    Attributes
    ----------
    target : str
        ``local``: jobs run on this machine. ``kubeflow``: training, tuning, AutoML and deployments are graphs on a
        cluster, which the worker submits and follows.
    poll_s : float
        Seconds between two looks into an empty queue, and between two looks at a running job.
    lease_s : float
        A job whose worker has not spoken for so long is taken up by another one.
    attempts : int
        Times that a job is begun before it counts as failed; deployments are begun once.
    grace_s : float
        Seconds between asking a cancelled job to end and killing its process group.
    drain_s : float
        Seconds that a job may go on after the worker was asked to stop; then it is handed back.
    cpu_hour_usd, memory_gb_hour_usd : float
        Prices that ``cost_usd`` is computed with; the defaults are rough list prices of a cloud, on demand.
    host, namespace : str
        Of the Kubeflow Pipelines API, with ``target=kubeflow``.
    serving_namespace, serving_mode, prometheus : str
        Where deployments happen on a cluster; empty for the rollout graph's defaults.
    run_poll_s : float
        Seconds between two looks at a run on a cluster.
    """

    model_config = SettingsConfigDict(env_prefix="ARTHAFLOW_JOBS_", extra="ignore")

    target: Target = "local"
    poll_s: float = Field(default=1.0, gt=0)
    lease_s: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    grace_s: float = Field(default=10.0, ge=0)
    drain_s: float = Field(default=20.0, ge=0)
    cpu_hour_usd: float = Field(default=0.04, ge=0)
    memory_gb_hour_usd: float = Field(default=0.005, ge=0)
    host: str = ""
    namespace: str = ""
    serving_namespace: str = ""
    serving_mode: str = ""
    prometheus: str = ""
    run_poll_s: float = Field(default=10.0, gt=0)


@lru_cache(maxsize=1)
def job_settings() -> JobSettings:
    """Return the worker's settings, read once."""
    return JobSettings()
