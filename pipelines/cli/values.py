"""``arthaflow values``: the lines of the Helm chart's values that serve a registered version."""

from __future__ import annotations

from typing import Annotated

import typer

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out


def values(
    model: Annotated[str, typer.Argument(help="Name in the catalogue, see `arthaflow models`.")],
    version: Annotated[str, typer.Option(help="A version number or alias.")] = "production",
) -> None:
    """Print what Helm needs to serve a registered version on KServe.

    Example: [bold]arthaflow values price_forecast --version 1 | helm upgrade --install arthaflow charts/arthaflow -n
    arthaflow --reuse-values -f -[/bold]
    """
    from pipelines.chart_values import chart_values, render_values

    found = chart_values(get_spec(model).name, version, settings())
    out.print(render_values(found), end="", soft_wrap=True, markup=False, highlight=False)
