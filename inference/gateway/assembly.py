"""One gateway process put together: what its routes share, in the order in which it starts and stops."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from components.errors import ArthaflowError
from components.records.database import Database
from components.records.log import PredictionLog
from components.settings import Settings, settings
from inference.gateway.app import build_app
from inference.gateway.cache.prediction_cache import PredictionCache
from inference.gateway.cache.versions import VersionWatch
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.calls.overload import Overload
from inference.gateway.config import GatewaySettings, gateway_settings
from inference.gateway.door import Door
from inference.gateway.experiments.assigner import Assigner
from inference.gateway.identity.door_keeper import DoorKeeper
from inference.gateway.limits.rate_limiter import RateLimiter
from inference.gateway.limits.watchman import Watchman
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.observed.accuracy_exporter import AccuracyExporter
from inference.gateway.options import Options
from inference.gateway.passage import Passage
from inference.gateway.product.completion import Completion
from inference.gateway.product.products import Products
from inference.gateway.product.routes import prediction_routes
from inference.gateway.product.service import PredictionService
from inference.gateway.services import Services
from inference.gateway.table import ModelTable
from inference.gateway.v2_log import V2Log

LOG = logging.getLogger("arthaflow.gateway")


@dataclass
class Gateway:
    """The parts of one process.

    Attributes
    ----------
    shared : Services
    passage : Passage
    door : Door
        The ASGI application.
    """

    shared: Services
    passage: Passage
    door: Door
    overload: Overload
    versions: VersionWatch
    assigner: Assigner
    accuracy: AccuracyExporter

    async def start(self) -> None:
        """Start what works in the background."""
        shared = self.shared
        await asyncio.to_thread(prepare, shared.database)
        await shared.log.start()
        await shared.keeper.start()
        await asyncio.to_thread(self.assigner.start)
        await shared.cache.start()
        await self.versions.start()
        await self.overload.start()
        self.accuracy.start()

    async def close(self) -> None:
        """Stop it again; the prediction log last, so that nothing acknowledged is lost."""
        await asyncio.to_thread(self.accuracy.close)
        await self.overload.close()
        await self.versions.close()
        await asyncio.to_thread(self.assigner.close)
        await self.shared.keeper.close()
        await self.shared.limiter.close()
        await self.shared.cache.close()
        self.shared.calls.close()
        await self.shared.log.close()
        self.shared.database.close()

    def refresh(self) -> None:
        """Follow the models file."""
        self.passage.refresh()


def prepare(database: Database) -> None:
    """Bring a SQLite file up to date; PostgreSQL is migrated by the chart's job, not by whoever starts first."""
    if database.dialect == "sqlite":
        database.migrate()
        return
    try:
        database.ping()
    except ArthaflowError as error:
        LOG.error("%s Predictions wait on disk meanwhile.", error)


def assemble(options: Options, config: GatewaySettings | None = None, home: Settings | None = None) -> Gateway:
    """Put a gateway together; nothing works in the background yet.

    Raises
    ------
    ConfigurationError
        If the models file or a setting is wrong.
    """
    config, home = config or gateway_settings(), home or settings()
    if options.auth:
        config = config.model_copy(update={"auth": options.auth})
    table, metrics = ModelTable(options.models), GatewayMetrics()
    calls = ModelCalls(table, metrics)
    cache = PredictionCache(config, home.redis_url, metrics)
    versions = VersionWatch(calls, cache)
    database = Database(home.records_uri)
    log = PredictionLog(home.root / "gateway" / "journal", home)
    assigner = Assigner(database)
    limiter = RateLimiter(config, home.redis_url, metrics.registry)
    watchman = Watchman(config, limiter, metrics)
    predictions = PredictionService(table, calls, cache, versions, log, assigner, watchman, Completion(database))
    keeper = DoorKeeper(config, home.root, home.redis_url)
    shared = Services(config, table, database, log, cache, calls, keeper, limiter, metrics, Products(), predictions)
    passage = Passage(
        table,
        metrics,
        max_body=options.max_body,
        max_held=options.max_held,
        body_timeout_s=options.body_timeout_s,
        forward_token=options.forward_token,
        calls=calls,
        log=V2Log(log, watchman),
    )
    metrics.watch_backlog(log.backlog)
    overload = Overload(config, metrics)
    metrics.watch_in_flight(lambda: overload.in_flight)
    app = build_app(shared, passage)
    door = Door(shared, app, passage, overload, prediction_routes(app))
    accuracy = AccuracyExporter(database, metrics.registry)
    return Gateway(shared, passage, door, overload, versions, assigner, accuracy)
