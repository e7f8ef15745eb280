"""``arthaflow jobs``: run the worker that executes what the product API asks for, and look at its queue."""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer
from rich.table import Table

from components.settings import settings
from pipelines.cli.console import out, print_json

app = typer.Typer(
    help="Training, tuning, deployments and features that the product API asked for.\n\n"
    "Example: [bold]arthaflow jobs work[/bold]",
    no_args_is_help=True,
)


@app.command()
def work(
    once: Annotated[bool, typer.Option("--once", help="End when the queue is empty.")] = False,
    target: Annotated[str, typer.Option(help="`local`: on this machine; `kubeflow`: graphs on a cluster.")] = "",
    sync: Annotated[bool, typer.Option(help="Bring the records up to the registry first.")] = True,
) -> None:
    """Execute jobs, one at a time, until SIGTERM; start several for several at a time.

    After SIGTERM the job under way may go on for ARTHAFLOW_JOBS_DRAIN_S seconds; then it is handed back to the queue,
    or, a deployment, taken back. A worker that is killed loses its lease, and another takes its job up.

    Example: [bold]arthaflow jobs work --once[/bold]
    """
    from components.errors import ConfigurationError
    from components.records.database import open_database
    from pipelines.jobs.config import job_settings
    from pipelines.jobs.worker import Worker

    if target not in ("", "local", "kubeflow"):
        raise ConfigurationError(f"The target {target!r} is unknown.", "Use local or kubeflow.")
    config = job_settings()
    if target:
        # The attempts are processes of their own and read the same variables.
        import os

        os.environ["ARTHAFLOW_JOBS_TARGET"] = target
        job_settings.cache_clear()
        config = job_settings()
    database = open_database()
    worker = Worker(
        database,
        settings().root,
        config,
        tell=lambda line: out.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    signal.signal(signal.SIGTERM, lambda *_: worker.stopping.set())
    signal.signal(signal.SIGINT, lambda *_: worker.stopping.set())
    try:
        if sync:
            worker.bring_up()
        worker.tell(f"worker {worker.name} waits for jobs in {database.name}")
        worker.work(once)
    finally:
        database.close()


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="queued, running, completed, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(help="Most jobs.", min=1, max=500)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List jobs, the newest first.

    Example: [bold]arthaflow jobs list --status running[/bold]
    """
    from components.records.database import open_database
    from components.records.jobs import list_jobs

    database = open_database()
    try:
        rows, _ = list_jobs(database, status=status, limit=limit)
    finally:
        database.close()
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    table = Table(title="Jobs", title_justify="left")
    for heading in ("id", "kind", "model", "status", "asked", "worker", "what came of it"):
        table.add_column(heading)
    for row in rows:
        said = row["error_message"] or (row["model_artifacts"] or {}).get("reason") or ""
        table.add_row(
            str(row["id"]),
            row["job_type"],
            row["model_name"] or "-",
            row["status"],
            row["created_at"].isoformat(timespec="seconds"),
            row["worker"] or "-",
            str(said),
        )
    out.print(table)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("job_type", "model_name", "status", "attempts", "worker", "error_message", "model_artifacts")
    return {"id": str(row["id"]), **{name: row[name] for name in kept}}
