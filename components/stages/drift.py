"""The drift check: ask a model's detector for its verdict, tell it, and ask for a training run where it drifted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.catalog import get_spec
from components.cluster_names import base_name
from components.errors import ModelUnavailable
from components.evaluation.plots import formats, markup
from components.evaluation.plots.drift import NAMES, statistics
from components.evaluation.plots.drift import verdict as finding
from components.registry.lineage import run_id as run_id_of
from components.stages.data import read_json, write_json
from components.stages.learning import numbers

TIMEOUT_S = 120.0
"""The detector judges its window while it is asked; with Alibi's tests that takes seconds."""
OUTCOMES = ("drift", "no_drift", "insufficient")
FACTS = {
    "rows": "served rows in the window",
    "min_rows": "rows that a judgement needs",
    "reference_rows": "reference rows",
    "alpha": "family-wise false alarm rate",
    "power": "wanted power",
    "effect": "smallest shift that matters (KS distance)",
}


@dataclass(frozen=True)
class Checked:
    """What the detector said.

    Attributes
    ----------
    outcome : {"drift", "no_drift", "insufficient"}
        ``insufficient``: too few rows to say anything, which is no failure.
    sentence : str
        For a person.
    metrics : dict of str to float
        For the metrics table.
    """

    outcome: str
    sentence: str
    metrics: dict[str, float]

    @property
    def drifted(self) -> bool:
        """Whether the inputs have drifted."""
        return self.outcome == "drift"


def ask(model: str, url: str, verdict: Path, page: Path) -> Checked:
    """Ask the detector at ``url``; keep its verdict as JSON and draw it as an HTML page.

    Raises
    ------
    ModelUnavailable
        If nothing answers there, or something that is not this model's detector.
    """
    answer = _verdict(model, url)
    write_json(verdict, answer)
    page.write_text(draw(get_spec(model).title, answer), encoding="utf-8")
    return Checked(str(answer["outcome"]), str(answer["sentence"]), measures(answer))


def draw(title: str, answer: Mapping[str, Any]) -> str:
    """Return the page: the verdict, every statistic against its threshold, and what was compared."""
    parts = [f"<h1>{markup.inline(title)}: drift of the inputs</h1>", finding("Now", answer)]
    if answer["results"]:
        parts += [statistics(None, answer), _table(answer)]
    parts.append(markup.facts([(name, answer.get(key)) for key, name in FACTS.items() if answer.get(key) is not None]))
    parts += [markup.paragraph(f"{name} did not run: {why}") for name, why in (answer.get("skipped") or {}).items()]
    return markup.page(f"{title}: drift", "\n".join(parts))


def _table(answer: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{NAMES.get(r['detector'], r['detector'])}, {r['column']}",
            formats.number(r["statistic"], 3),
            formats.number(r["threshold"], 3),
            formats.p_value(r["p_value"]),
            markup.badge("drift", "bad") if r["drift"] else markup.badge("no drift", "good"),
        )
        for r in answer["results"]
    ]
    head = ("test and column", "statistic", "threshold", "p-value", "verdict")
    return markup.table("Drift statistics; p-values are adjusted for the number of columns", head, rows)


def measures(answer: Mapping[str, Any]) -> dict[str, float]:
    """Return the verdict's numbers, and each statistic as ``<detector>.<column>``."""
    found = numbers({key: answer.get(key) for key in FACTS})
    found["drift"] = float(answer["outcome"] == "drift")
    return {**found, **numbers({f"{r['detector']}.{r['column']}": r["statistic"] for r in answer["results"]})}


def retrain(
    model: str,
    wanted: bool,
    run_id: str,
    host: str,
    namespace: str,
    experiment: str,
    arguments: str,
    pause_hours: float,
    verdict: Path,
    summary: Path,
) -> str:
    """Ask for a training run unless none is wanted; write what was done as Markdown; return the run's id or nothing."""
    from pipelines.retraining import request_from_step

    spec, sentence = get_spec(model), read_json(verdict)["sentence"]
    if not wanted:
        told, number = "No training run was asked for, because `retrain` is false.", ""
    else:
        more = {"namespace": namespace, "experiment": experiment, "arguments": arguments, "pause_hours": pause_hours}
        asked = request_from_step(model, run_id_of(run_id), host, **more)
        told, number = asked.sentence, asked.run_id
    summary.write_text(f"# {spec.title}: the inputs have drifted\n\n{sentence}\n\n{told}\n", encoding="utf-8")
    return number


def _verdict(model: str, url: str) -> dict[str, Any]:
    import httpx

    address = f"{url.rstrip('/')}/v1/drift"
    base = base_name(model)
    remedy = f"Check `kubectl get inferenceservice {base}-detector`, or give its address: --param url=http://..."
    try:
        answer = httpx.get(address, timeout=TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelUnavailable(
            f"The detector of {model} at {url!r} does not answer ({type(error).__name__}).", remedy
        ) from error
    told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if not answer.is_success:
        raise ModelUnavailable(f"The detector of {model} at {url} answers {answer.status_code}.", remedy)
    if not isinstance(told, dict) or told.get("outcome") not in OUTCOMES:
        raise ModelUnavailable(f"What answers at {url} is no detector.", remedy)
    if told.get("model") != model:
        raise ModelUnavailable(f"The detector at {url} watches {told.get('model')!r}, not {model!r}.", remedy)
    return told
