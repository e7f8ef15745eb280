"""The three weightiest factors as sentences: document 0's "show top 3 factors influencing prediction"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 3


def top_factors(told: Mapping[str, Any]) -> list[str]:
    """Return at most three sentences about an explanation, as an explainer tells it.

    Examples
    --------
    >>> entry = {"feature": "rsi_14", "value": 30.0, "unit": "percent", "attribution": -1.5}
    >>> top_factors({"output": "price", "unit": "points", "attributions": [entry]})
    ['rsi_14 = 30 percent lowers price by 1.5 points.']
    """
    if "attributions" in told:
        weighty = [a for a in told["attributions"] if a["attribution"] != 0.0]
        return [(_shifts if "move" in a else _moves)(told, a) for a in weighty[:MOST]]
    if "importance" in told:
        weighty = [e for e in told["importance"] if e["mean_absolute_shap"] > 0.0]
        return [_weighs(told, e) for e in weighty[:MOST]]
    if "counterfactuals" in told:
        return [str(c["why"]) for c in told["counterfactuals"][:MOST]]
    return [f"{rule[0].upper()}{rule[1:]}." for rule in told.get("rules", ())[:MOST]]


def _moves(told: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    value = "" if entry["value"] is None else f" = {entry['value']:.4g}{_unit(entry)}"
    verb = "raises" if entry["attribution"] > 0 else "lowers"
    return f"{entry['feature']}{value} {verb} {told['output']} by {abs(entry['attribution']):.4g}{_unit(told)}."


def _shifts(told: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    verb = "raise" if entry["attribution"] > 0 else "lower"
    more = f"{entry['move']:.4g}{_unit(entry)} more {entry['feature']}"
    return f"{more} would {verb} {told['output']} by {abs(entry['attribution']):.4g}{_unit(told)}."


def _weighs(told: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    size = f"{entry['mean_absolute_shap']:.4g}{_unit(told)}"
    way = entry["direction"]
    tail = "" if way is None or abs(way) < 0.5 else f", {'upwards' if way > 0 else 'downwards'} as it rises"
    return f"{entry['feature']} moves {told['output']} by {size} on average ({100 * entry['share']:.0f} %){tail}."


def _unit(entry: Mapping[str, Any]) -> str:
    return f" {entry['unit']}" if entry.get("unit") else ""
