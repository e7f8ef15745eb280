"""Rules that a single bar must keep, as a pandera schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from components.data.bars import PRICES, VALUES
from components.data.limits import Limits

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema


def bar_schema(limits: Limits) -> DataFrameSchema:
    """Return the schema of a bar: present and positive prices, volume not negative, high and low around open and close.

    Relations are checked up to ``limits.tolerance``, because adjusted prices carry rounding; a missing
    price breaks no relation.
    """
    import pandera.pandas as pa

    def relation(upper: str, lower: str) -> pa.Check:
        return pa.Check(
            lambda f: ~(f[lower] - f[upper] > limits.tolerance * f[upper].abs()),
            name=f"{upper} below {lower}",
        )

    relations = [("high", "low"), ("high", "open"), ("high", "close"), ("open", "low"), ("close", "low")]
    columns = {name: pa.Column(float, pa.Check.gt(0, error=f"{name} not above 0")) for name in PRICES}
    columns["volume"] = pa.Column(float, pa.Check.ge(0, error="volume below 0"))
    return pa.DataFrameSchema(columns, checks=[relation(*r) for r in relations], strict="filter")


def broken_rows(frame: pd.DataFrame, limits: Limits) -> pd.Series:
    """Return the reasons of rows that break a rule, by row label; several reasons are joined.

    Parameters
    ----------
    frame : DataFrame
        With a unique index and the columns of a bar.
    """
    from pandera.errors import SchemaErrors

    try:
        bar_schema(limits).validate(frame[list(VALUES)].astype(float), lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.dropna(subset=["index"])
        cases = cases.assign(index=cases["index"].astype(int), reason=cases.apply(_reason, axis=1))
        unique = cases.drop_duplicates(["index", "reason"])
        reasons: pd.Series = unique.groupby("index")["reason"].agg("; ".join)
        return reasons
    return pd.Series(dtype=object)


def _reason(case: pd.Series) -> str:
    if case["check"] == "not_nullable":
        return f"{case['column']} is missing"
    return str(case["check"])
