"""The runbook: a section for every alert, an alert for every section, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text()
RULES = sorted((ROOT / "charts" / "arthaflow" / "rules").glob("*.yaml"))


def alerts() -> list[str]:
    # Tokens as @canaryHours@ are no YAML where they begin a value; what they stand for does not matter here.
    groups = [yaml.safe_load(re.sub(r"@(\w+)%?@", r"\1", path.read_text())) for path in RULES]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


def anchors() -> set[str]:
    """Return the anchors that a Markdown renderer makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    sections = re.findall(r"^### (\w+)$", TEXT, flags=re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == set(alerts())
    assert len(alerts()) == len(set(alerts()))


def test_every_section_says_what_it_means_and_what_to_do() -> None:
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        assert len(body.split("\n## ")[0].split()) >= 15, f"{name} says too little"


def test_links_inside_the_page_lead_somewhere() -> None:
    wanted = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert wanted - anchors() == set()
    assert {alert.lower() for alert in alerts()} <= anchors()


def test_metrics_in_the_page_are_those_of_the_rules_or_the_servers() -> None:
    source = "".join(p.read_text() for p in RULES) + "".join(
        p.read_text()
        for folder in ("inference", "inference/drift", "inference/gateway")
        for p in (ROOT / folder).glob("*.py")
    )
    for metric in set(re.findall(r"\barthaflow_[a-z_]+", TEXT)):
        assert metric.removesuffix("_total") in source, metric
