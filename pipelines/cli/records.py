"""``arthaflow records``: the product's records: their schema, what they mirror, and which version served when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.console import out

app = typer.Typer(
    help="The product's records: models, predictions, outcomes, experiments, jobs and deployments, in SQLite or "
    "PostgreSQL (ARTHAFLOW_DATABASE_URL).\n\nExample: [bold]arthaflow records status[/bold]",
    no_args_is_help=True,
)


@app.command()
def migrate() -> None:
    """Bring the schema to this release's; safe when several processes do it at once.

    Example: [bold]ARTHAFLOW_DATABASE_URL=postgresql+psycopg://arthaflow@db/arthaflow arthaflow records migrate[/bold]
    """
    from components.records.database import open_database

    database = open_database()
    out.print(f"{database.name} is at revision {database.revision()}.")


@app.command()
def status() -> None:
    """Tell where the records are, at which revision, and how many rows each table has.

    Example: [bold]arthaflow records status[/bold]
    """
    from sqlalchemy import func, select

    from components.records.database import Database
    from components.records.migrations import HEAD
    from components.records.tables import metadata
    from components.settings import settings

    database = Database(settings().records_uri)
    there = database.revision()
    out.print(f"{database.name} is at revision {there or '-'}; this release's is {HEAD}.")
    if there != HEAD:
        out.print("Run [bold]arthaflow records migrate[/bold].")
        raise typer.Exit(1)
    table = Table()
    table.add_column("table")
    table.add_column("rows", justify="right")
    with database.read() as connection:
        for name, rows in sorted(metadata.tables.items()):
            table.add_row(name, str(connection.execute(select(func.count()).select_from(rows)).scalar()))
    out.print(table)


@app.command()
def sync() -> None:
    """Mirror MLflow's versions, and record the deployments of rollouts that could not do so themselves.

    Example: [bold]arthaflow records sync[/bold]
    """
    from components.records.database import open_database
    from components.records.mirror import sync_models
    from components.records.rollouts import sync_histories

    database = open_database()
    news = sync_histories(database)
    versions = sync_models(database)
    out.print(f"{versions} versions mirrored, {news} deployments recorded that were not yet.")


@app.command()
def performance(
    days: Annotated[int, typer.Option(help="How far back outcomes and predictions are looked at.", min=1)] = 35,
) -> None:
    """Join outcomes that waited, and compute each version's metrics per day, week and month anew.

    The worker of the jobs does this by itself every five minutes.

    Example: [bold]arthaflow records performance --days 7[/bold]
    """
    from components.records.database import open_database
    from components.records.performance import refresh_performance

    written = refresh_performance(open_database(), datetime.now(UTC) - timedelta(days=days))
    out.print(f"{written} rows of model_performance_metrics written.")


@app.command()
def served(
    model: Annotated[str, typer.Argument(help="Name in the catalogue.")],
    on: Annotated[str, typer.Option(help="A date (the whole day, UTC) or a moment, ISO 8601; today when empty.")] = "",
) -> None:
    """Tell which versions of a model served on a day, and why.

    Example: [bold]arthaflow records served price_forecast --on 2026-11-21[/bold]
    """
    from components.records.database import open_database
    from components.records.deployments import served_on
    from components.records.story import parse_when

    found = served_on(open_database(), model, parse_when(on))
    if not found:
        out.print(f"Nothing says that {model} served then.")
    for version in found:
        what = f"[bold]version {version.version}[/bold] {version.environment} {version.track}".rstrip()
        spell = f"{_clock(version.since)} to {_clock(version.until)}" if version.track else "not deployed by any record"
        out.print(f"{what}: {spell}; {version.predictions} predictions that day", end="")
        out.print(f", {_clock(version.first_at)} to {_clock(version.last_at)}" if version.predictions else "")
        for name, words in (
            ("by", version.actor),
            ("because", version.reason),
            ("ended", version.end_reason),
            ("gate", version.gate),
        ):
            if words:
                out.print(f"  {name}: {words}")


def _clock(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else "-"
