"""The data half of the training graph: ingest, validate, features, split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.catalog import get_spec
from components.registry.lineage import Lineage
from components.registry.lineage import run_id as run_id_of
from components.settings import settings
from components.stages.request import Request


@dataclass(frozen=True)
class Checked:
    """What validation found.

    Attributes
    ----------
    data_hash : str
        SHA-256 of the accepted rows.
    counts : dict of str to float
        Numbers for the metrics table.
    """

    data_hash: str
    counts: dict[str, float]


def ingest(source: str, bar: str, until: str, bars: Path, market: Path) -> dict[str, float]:
    """Load bars and market context into two Parquet files; return how many rows there are."""
    from components.data.sources import load_bars, load_market

    frame, context = load_bars(source, bar, until), load_market(source)
    if len(context) and len(frame):
        # What the market did after the last bar is not known yet.
        context = context[context["timestamp"] <= frame["timestamp"].max()]
    frame.to_parquet(bars, index=False)
    context.to_parquet(market, index=False)
    return {"bars": float(len(frame)), "entities": float(frame["entity"].nunique()), "market_rows": float(len(context))}


def validate(
    bars: Path, bar: str, accepted: Path, rejected: Path, page: Path, summary: Path, as_of: str = ""
) -> Checked:
    """Check the bars; keep the accepted rows, the rejected rows with their reasons, and a report in HTML and Markdown.

    Raises
    ------
    DataRejected
        If too little is left; rows and reasons are in the message.
    """
    import pandas as pd

    from components.data.hashing import data_hash
    from components.data.quality import check_bars

    report = check_bars(pd.read_parquet(bars), bar=bar, as_of=as_of or None)
    report.accepted.to_parquet(accepted, index=False)
    report.rejected.to_parquet(rejected, index=False)
    page.write_text(report.to_html(), encoding="utf-8")
    summary.write_text(report.to_markdown(), encoding="utf-8")
    counts = {k: float(len(getattr(report, k))) for k in ("accepted", "rejected", "flagged")}
    return Checked(data_hash(report.accepted), counts)


def features(model: str, bars: Path, market: Path, table: Path) -> str:
    """Compute features, keep them in the feature store, join them back point-in-time, and materialise them for serving.

    A model without a feature service builds its dataset of the bars alone: its table says which rows there are.

    Returns
    -------
    str
        SHA-256 of the features' definitions; empty without a feature service.
    """
    import pandas as pd

    if not get_spec(model).feature_service:
        pd.read_parquet(bars, columns=["entity", "timestamp"]).to_parquet(table, index=False)
        return ""
    from components.features.price import compute_features
    from feature_repo.store import materialise, open_store, training_frame, write_features

    root = settings().root
    frame = compute_features(pd.read_parquet(bars), pd.read_parquet(market))
    write_features(root, frame)
    store = open_store(root)
    joined = training_frame(store, frame[["entity", "timestamp"]])
    materialise(store, frame["timestamp"].max())
    joined.to_parquet(table, index=False)
    return definitions_hash()


def definitions_hash() -> str:
    """Return the SHA-256 of every feature's name, unit, definition and bounds."""
    from components.features.definitions import FEATURES

    text = json.dumps([asdict(column) for column in FEATURES], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def split(request: Request, table: Path, bars: Path, dataset: Path, folds: Path) -> dict[str, float]:
    """Build the model's dataset and its purged walk-forward folds; return their sizes."""
    import pandas as pd

    from components.evaluation.splits import walk_forward

    spec = request.spec()
    data = spec.resolve(spec.dataset)(pd.read_parquet(table), pd.read_parquet(bars), spec.horizons)
    made = walk_forward(data)
    data.write(dataset)
    made.write(folds)
    return {"rows": float(len(data)), "folds": float(len(made.folds))}


def trace(
    request: Request, run_id: str, data_hash: str, definitions_hash: str, source: str, bar: str, until: str
) -> Lineage:
    """Return where what this run trains comes from."""
    return Lineage(
        run_id=run_id_of(run_id),
        data_hash=data_hash,
        source=source,
        bar=bar,
        until=until,
        feature_service=request.spec().feature_service,
        feature_hash=definitions_hash,
        seed=str(request.seed),
        params=json.dumps(request.params(), sort_keys=True),
    ).complete()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")
