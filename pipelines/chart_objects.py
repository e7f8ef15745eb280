"""How many objects of which kind each profile of the chart makes, for the table in ``docs/cluster.md``."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

from components.errors import ConfigurationError

CHART = Path(__file__).parents[1] / "charts" / "arthaflow"
EXAMPLE = (
    "--set-string=models.price_forecast.version=1",
    "--set=models.price_forecast.artifact=s3://arthaflow/artifacts/price_forecast/example/",
    "--set=gateway.auth.issuer=http://keycloak.login.svc:8080/realms/arthaflow",
)
"""One model at version 1, no canary; an issuer of tokens in the cluster."""


def objects_per_profile(helm: str, chart: Path = CHART) -> dict[str, dict[str, int]]:
    """Return the number of objects by profile and kind; the chart's own values are the profile ``default``.

    Parameters
    ----------
    helm : str
        Path of the Helm binary.
    chart : Path
        The chart's folder.

    Raises
    ------
    ConfigurationError
        If Helm does not render a profile; the message has its words.
    """
    files = {name: chart / f"values-{name}.yaml" for name in ("minimal", "gpu", "knative", "production")}
    profiles: dict[str, tuple[str, ...]] = {"default": (), **{n: ("-f", str(p)) for n, p in files.items()}}
    return {name: _count(helm, chart, options) for name, options in profiles.items()}


def _count(helm: str, chart: Path, options: tuple[str, ...]) -> dict[str, int]:
    import yaml

    command = [helm, "template", "arthaflow", str(chart), "--namespace", "arthaflow", "--kube-version", "1.34.0"]
    done = subprocess.run([*command, *options, *EXAMPLE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"Helm does not render {' '.join(options) or 'the chart'}.", done.stderr.strip())
    kinds = Counter(found["kind"] for found in yaml.safe_load_all(done.stdout) if found)
    return dict(sorted(kinds.items()))
