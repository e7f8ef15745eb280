"""Write everything that follows from the catalogue and is kept in the repository: ``make manifests``.

A test makes each of these files again and compares; a stale one fails it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def generate(root: Path = ROOT) -> list[Path]:
    """Write the chart's models, Katib's experiments, the compiled graphs and the tables; return the files."""
    from pipelines.api_table import write_api_table
    from pipelines.chart_models import write_chart_models
    from pipelines.cluster_table import write_table
    from pipelines.compile import write_compiled
    from pipelines.experiments import write_experiments

    return [
        write_chart_models(root / "charts" / "arthaflow" / "models.yaml"),
        *write_experiments(root / "manifests" / "katib"),
        *write_compiled(root / "manifests" / "pipelines"),
        write_api_table(root / "docs" / "api.md"),
        write_table(root / "docs" / "cluster.md"),  # last: it counts what the chart renders now
    ]


if __name__ == "__main__":
    for path in generate():
        print(path)  # noqa: T201 - a command
