"""``arthaflow audit``: verify the prediction log, ask it, and forget a person in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.audit_view import as_json, show_served, show_story
from pipelines.cli.console import out, print_json

app = typer.Typer(
    help="The audit trail: every prediction with inputs, output, version and caller, chained so that tampering shows."
    "\n\nExample: [bold]arthaflow audit verify[/bold]",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
User = Annotated[str, typer.Argument(help="The user id, as applications send it.")]


@app.command()
def verify(
    anchor: Annotated[list[str] | None, typer.Option(help="SEQ:HASH that was kept elsewhere; may be repeated.")] = None,
    first: Annotated[int | None, typer.Option(help="First entry to check; the chain's first when left out.")] = None,
    last: Annotated[int | None, typer.Option(help="Last entry to check; the chain's last when left out.")] = None,
    json: Json = False,
) -> None:
    """Walk the hash chain and check every prediction against it; exit code 1 where somebody has tampered with it.

    Example: [bold]arthaflow audit verify --anchor 1200:9f2c...[/bold]
    """
    from components.records import anchors, verification
    from components.records.database import open_database
    from components.records.keys import audit_key

    known = [anchors.parse(text) for text in anchor or []] + [head for _, head in anchors.kept()]
    verdict = verification.verify(open_database(), audit_key(), known, first, last)
    if json:
        print_json(asdict(verdict))
    elif verdict.ok:
        out.print(
            f"[green]The prediction log is sound[/green]: entries {verdict.first} to {verdict.last}, "
            f"{verdict.predictions} predictions, {verdict.erased} of them erased; {verdict.anchors} anchors agree."
        )
    else:
        out.print(f"[red]The prediction log was tampered with at entry {verdict.bad_seq}[/red]: {verdict.problem}.")
    for note in () if json else verdict.notes:
        out.print(note)
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def served(
    model: Annotated[str, typer.Argument(help="Name in the catalogue.")],
    at: Annotated[str, typer.Option(help="A date (UTC) or a moment, ISO 8601; today when left out.")] = "",
    json: Json = False,
) -> None:
    """Tell which version of a model served on a date, and why.

    Example: [bold]arthaflow audit served price_forecast --at 2026-11-21[/bold]
    """
    from components.records.database import open_database
    from components.records.deployments import served_on
    from components.records.story import parse_when

    found = served_on(open_database(), model, parse_when(at))
    if json:
        print_json(as_json([asdict(version) for version in found]))
        return
    show_served(model, found)


@app.command()
def why(
    prediction_id: Annotated[str, typer.Argument(help="From the answer's metadata.")],
    json: Json = False,
) -> None:
    """Tell everything about one prediction: inputs, answer, version, why that version served, what came of it.

    Example: [bold]arthaflow audit why 6f1c2c1e-0d4f-4c0e-9a44-7d1c2b3a4d5e[/bold]
    """
    from components.records.database import open_database
    from components.records.keys import audit_key
    from components.records.story import story

    found = story(open_database(), audit_key(), prediction_id)
    print_json(as_json(found)) if json else show_story(found)


@app.command()
def anchor(json: Json = False) -> None:
    """Print the chain's head and append it to the anchor files; keep it where nobody writes who can to the database.

    Example: [bold]arthaflow audit anchor[/bold]
    """
    from components.records import anchors, chain
    from components.records.database import open_database

    with open_database().read() as connection:
        last = chain.head(connection)
    written = [str(path) for path in anchors.write(last)]
    if json:
        print_json({"seq": last.seq, "hash": last.hash, "files": written})
        return
    out.print(f"{last.seq}:{last.hash}", soft_wrap=True)


@app.command()
def export(
    user: User,
    to: Annotated[Path, typer.Option(help="A folder, or a file that ends in .zip.")],
    json: Json = False,
) -> None:
    """Write everything that the records hold about one person, as JSON and CSV.

    Example: [bold]arthaflow audit export user-17 --to user-17.zip[/bold]
    """
    from components.records.database import open_database
    from components.records.export import export as write

    _report(write(open_database(), user, to), json, f"Written to {to}")


@app.command()
def erase(
    user: User,
    reason: Annotated[str, typer.Option(help="Why; it stays in the chain, so say nothing personal.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase one person's data everywhere; the chain stays valid and says that and why something was erased.

    A gateway that runs keeps cached answers for up to their time to live: POST /api/v1/ml/audit/erasure empties its
    cache too.

    Example: [bold]arthaflow audit erase user-17 --reason "request of 3 May"[/bold]
    """
    from components.records.database import open_database
    from components.records.erasure import erase as forget
    from components.settings import settings

    if not yes:
        typer.confirm("This cannot be undone. Erase this person's data?", abort=True)
    report = forget(open_database(), user, reason, journals=settings().root / "gateway" / "journal")
    _report(report.told(), json, "Erased")


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    json: Json = False,
) -> None:
    """Delete what is older than the policy keeps: predictions 5 years, access logs 2, training logs 1.

    ARTHAFLOW_RETENTION_PREDICTIONS_DAYS, _ACCESS_DAYS and _TRAINING_DAYS set it. Run it daily.

    Example: [bold]arthaflow audit retention --dry-run[/bold]
    """
    from components.records.database import open_database
    from components.records.keys import audit_key
    from components.records.retention import retain
    from components.settings import settings

    report = retain(open_database(), audit_key(), dry_run=dry_run, journals=settings().root / "gateway" / "journal")
    _report(report.told(), json, "Would be deleted" if dry_run else "Deleted")


def _report(counts: dict[str, Any], json: bool, title: str) -> None:
    if json:
        print_json(as_json(counts))
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in counts.items():
        table.add_row(name.replace("_", " "), "; ".join(value) if isinstance(value, list) else str(value))
    out.print(table)
