"""``arthaflow models``: the catalogue, and one model's story."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from components.catalog import catalogue, get_spec
from pipelines.cli.console import out, print_json

app = typer.Typer(
    invoke_without_command=True,
    help="List the catalogue; `show` tells one model's story.\n\nExample: [bold]arthaflow models[/bold]",
    no_args_is_help=False,
)


@app.callback()
def list_models(context: typer.Context) -> None:
    """List every model of the catalogue with its versions.

    Example: [bold]arthaflow models[/bold]
    """
    if context.invoked_subcommand:
        return
    from components.registry import versions

    table = Table(title="Catalogue", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("model", "title", "room", "production", "versions"):
        table.add_column(heading, no_wrap=True)
    for name, spec in catalogue().items():
        story = versions.story(name)
        table.add_row(
            name,
            spec.title,
            spec.room,
            str(story["aliases"].get("production", "-")),
            str(len(story["versions"])),
        )
    out.print(table)
    out.print("[bold]arthaflow models show NAME[/bold] tells what a model does, who owns it, and how well.")


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name in the catalogue.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Tell a model's story: versions, the data they learnt from, their figures, and why each was promoted or refused.

    Example: [bold]arthaflow models show price_forecast[/bold]
    """
    from components.registry import versions

    spec = get_spec(model)
    story = versions.story(spec.name)
    if as_json:
        print_json(story)
        return
    out.print(f"[bold]{spec.title}[/bold]  ({spec.room}/{spec.name}, owner {spec.owner})\n{spec.summary}\n")
    if not story["versions"]:
        out.print(f"No version is registered yet. Train one: [bold]arthaflow run {spec.name}[/bold]")
    for version in story["versions"]:
        _show_version(version)


def _show_version(version: dict[str, Any]) -> None:
    aliases = ", ".join(version.get("aliases", [])) or "no alias"
    out.print(f"[bold cyan]version {version['version']}[/bold cyan]  {aliases}  {version.get('created_at', '')}")
    if version.get("reason"):
        out.print(f"  [green]{version['reason']}[/green]")
    for heading in ("metrics", "lineage"):
        facts = version.get(heading) or {}
        if facts:
            out.print(f"  {heading}: " + ", ".join(f"{k}={_short(v)}" for k, v in facts.items()))
    out.print()


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
