"""``arthaflow token``: tokens of the embedded issuer, for the gateway of one machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigurationError
from components.settings import settings
from pipelines.cli.console import err, out

if TYPE_CHECKING:
    from inference.gateway.identity.local_issuer import LocalIssuer

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

app = typer.Typer(invoke_without_command=True, help="Make a token for the product API; rotate the key that signs.")


@app.callback()
def token(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="app, data_scientist, ml_engineer or admin.")] = "app",
    tier: Annotated[str, typer.Option(help="Rate limit: authenticated, premium or internal.")] = "authenticated",
    ttl: Annotated[str, typer.Option(help="How long it is good, like 30m, 8h, 7d; 30 days at most.")] = "8h",
    subject: Annotated[str, typer.Option(help="Who uses it; logs hold a keyed hash of this.")] = "me",
    scope: Annotated[list[str] | None, typer.Option(help="Narrow the role to this scope; repeat for more.")] = None,
) -> None:
    """Print a token that the gateway of this machine believes.

    Example: [bold]curl -H "Authorization: Bearer $(arthaflow token --role app)" localhost:8000/api/ml/models[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    from inference.gateway.caller import SCOPES
    from inference.gateway.config import gateway_settings
    from inference.gateway.identity.roles import STRONGEST_FIRST, TIERS

    _one_of(role, STRONGEST_FIRST, "role")
    _one_of(tier, TIERS, "tier")
    for name in scope or []:
        _one_of(name, tuple(SCOPES), "scope")
    config = gateway_settings()
    made = _issuer().token(subject, role, tier, seconds(ttl), scope or None, config.role_claim, config.tier_claim)
    out.print(made, soft_wrap=True, markup=False, highlight=False)


@app.command()
def rotate(
    forget: Annotated[bool, typer.Option("--forget", help="Void all tokens that were made so far.")] = False,
) -> None:
    """Make a new signing key; tokens of the one before stay good until they expire, unless they are forgotten."""
    kid = _issuer().rotate(forget)
    told = "all earlier tokens are void" if forget else "tokens of the key before stay good until they expire"
    err.print(f"Tokens are now signed with key {kid}; {told}.")


def seconds(text: str) -> float:
    """Return a duration such as ``30m`` in seconds.

    Raises
    ------
    ConfigurationError
        It is none.

    Examples
    --------
    >>> seconds("8h")
    28800.0
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    if found is None:
        raise ConfigurationError(f"{text!r:.40} is no duration.", "Write a number and a unit, like 90s, 30m, 8h, 7d.")
    return float(found[1]) * UNITS[found[2]]


def _issuer() -> LocalIssuer:
    from inference.gateway.config import gateway_settings
    from inference.gateway.identity.local_issuer import LocalIssuer

    config = gateway_settings()
    if config.auth != "local":
        raise ConfigurationError(
            f"The gateway's tokens are not made here: ARTHAFLOW_GATEWAY_AUTH is {config.auth!r}.",
            f"Ask the issuer {config.issuer!r} for one." if config.auth == "oidc" else "No token is needed.",
        )
    return LocalIssuer(settings().root, config.issuer, config.audience)


def _one_of(given: str, known: tuple[str, ...], what: str) -> None:
    if given not in known:
        raise ConfigurationError(f"{given!r:.60} is no {what}.", f"Use one of: {', '.join(known)}.")
