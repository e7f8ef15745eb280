"""Opening the feature store, putting features in, getting them out point-in-time correctly.

Feast and its dependencies take seconds to import, so this module imports them on use.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.errors import FeatureUnavailable, InvalidRequest
from components.features.definitions import FEATURES, NAMES
from feature_repo.importing import import_feast
from feature_repo.tables import FOLDER, newest_known, on_cluster, upsert

if TYPE_CHECKING:
    from feast import FeatureStore

SERVICE = "price_forecast_v1"
COLUMNS = ("entity", "timestamp", *NAMES, "window")
HERE = Path(__file__).parent
EVENT = "event_timestamp"


def open_store(root: Path) -> FeatureStore:
    """Open the store below ``root`` (``ARTHAFLOW_HOME``), registering entities, views and services when they changed.

    With ``ARTHAFLOW_FEATURE_SOURCE=postgres`` it is the cluster's (``feature_store.cluster.yaml``), else SQLite and
    Parquet in ``root/feast``.
    """
    # Some releases of Feast report usage to its makers; 0.67 has no such code, and others shall stay quiet too.
    os.environ.setdefault("FEAST_USAGE", "False")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import_feast()
        from feast import FeatureStore

        folder = root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        config = (HERE / f"feature_store{'.cluster' if on_cluster() else ''}.yaml").read_text(encoding="utf-8")
        (folder / "feature_store.yaml").write_text(config, encoding="utf-8")
        store = FeatureStore(repo_path=str(folder))
        _apply(store, folder / "applied.sha256", config)
    return store


def write_features(root: Path, frame: pd.DataFrame) -> None:
    """Put rows of features into the offline store; a row that is there already (same entity and time) is replaced.

    Parameters
    ----------
    root : Path
        As for :func:`open_store`.
    frame : DataFrame
        As :func:`components.features.price.compute_features` returns it.
    """
    created = pd.Timestamp.now("UTC")
    for table, names in (("price_features", NAMES), ("price_window", ("window",))):
        upsert(root, table, frame[["entity", "timestamp", *names]].assign(created=created))


def training_frame(store: FeatureStore, entity_rows: pd.DataFrame) -> pd.DataFrame:
    """Join entities and times with the features that were known then.

    Parameters
    ----------
    store : FeatureStore
        From :func:`open_store`.
    entity_rows : DataFrame
        ``entity`` and ``timestamp`` (UTC); other columns are ignored.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`, in the order of ``entity_rows``; ``timestamp`` is the one asked for.

    Raises
    ------
    FeatureUnavailable
        If a row has no features within the views' TTL before it.
    """
    asked = entity_rows[["entity", "timestamp"]].reset_index(drop=True).rename(columns={"timestamp": EVENT})
    asked[EVENT] = pd.to_datetime(asked[EVENT], utc=True)
    service = store.get_feature_service(SERVICE)
    joined = store.get_historical_features(asked.assign(asked_row=asked.index), service).to_df()
    joined = joined.sort_values("asked_row").rename(columns={EVENT: "timestamp"})
    stamps = pd.to_datetime(joined["timestamp"], utc=True)
    joined["timestamp"] = stamps.dt.tz_localize(None).astype("datetime64[ns]")
    gone = joined["close"].isna() | joined["window"].isna()
    missing = sorted(set(asked.index) - set(joined.loc[~gone, "asked_row"]))
    if missing:
        first = asked.loc[missing[0]]
        raise _unavailable(store, str(first["entity"]), first[EVENT].tz_localize(None))
    rows: pd.DataFrame = joined[list(COLUMNS)].reset_index(drop=True)
    return rows


def materialise(store: FeatureStore, until: pd.Timestamp | str) -> None:
    """Put every security's newest features known at ``until`` online, where they are not older than the TTL then."""
    end = _utc(pd.Timestamp(until)).tz_localize("UTC").to_pydatetime()
    # Feast prints a progress bar to whoever listens; a step of a graph has nobody.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        store.materialize(end - _ttl(store), end)


def online_rows(store: FeatureStore, entities: list[str]) -> pd.DataFrame:
    """Return the features that are online, with the time they were known; there is no row for an unknown entity."""
    unique = list(dict.fromkeys(entities))
    response = store.get_online_features(
        store.get_feature_service(SERVICE), entity_rows=[{"entity": e} for e in unique]
    )
    values = response.to_dict(include_event_timestamps=True)
    frame = pd.DataFrame({name: values[name] for name in ("entity", *NAMES, "window")})
    stamps, others = values[f"{NAMES[0]}__ts"], values["window__ts"]
    windows = [None if w is None else np.asarray(w, dtype=np.float32) for w in values["window"]]
    frame["window"] = pd.Series(windows, dtype=object)
    frame.insert(1, "timestamp", pd.to_datetime(pd.Series(stamps), unit="s").astype("datetime64[ns]"))
    # Two views that disagree on the time are being materialised right now: neither row is complete yet.
    whole = frame[NAMES[0]].notna() & frame["window"].notna() & (pd.Series(stamps) == pd.Series(others))
    return frame[whole].reset_index(drop=True)


def lookup(store: FeatureStore, entities: list[str], timestamps: list[pd.Timestamp]) -> pd.DataFrame:
    """Return the features of each entity as they were known at its timestamp.

    A row that is online and was the newest at the asked time is taken from there; earlier times are joined offline.

    Parameters
    ----------
    entities, timestamps : list
        One pair per row; times in UTC, or with a zone.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`, one row per pair, in order; ``timestamp`` is the one asked for.

    Raises
    ------
    InvalidRequest
        If the lists differ in length or a time is missing.
    FeatureUnavailable
        If an entity is unknown, or has nothing within the TTL before its timestamp; names the newest there is.
    """
    if len(entities) != len(timestamps):
        raise InvalidRequest(
            f"{len(entities)} entities but {len(timestamps)} timestamps", "Send one timestamp per entity.", "timestamp"
        )
    if any(pd.isna(t) for t in timestamps):
        row = next(i for i, t in enumerate(timestamps) if pd.isna(t))
        raise InvalidRequest("the timestamp is missing", "Send the time to forecast from.", f"timestamp[{row}]")
    asked = pd.DataFrame({"entity": entities, "asked": [_utc(pd.Timestamp(t)) for t in timestamps]})
    asked["asked"] = asked["asked"].astype("datetime64[ns]")
    online = asked.merge(online_rows(store, entities), on="entity", how="left")
    age = online["asked"] - online["timestamp"]
    current = (age >= pd.Timedelta(0)) & (age <= _ttl(store))
    rows = online.assign(timestamp=asked["asked"])[list(COLUMNS)]
    if current.all():
        return rows
    past = training_frame(store, asked[~current].rename(columns={"asked": "timestamp"}))
    both = pd.concat([rows[current], past.set_index(rows.index[~current])])
    return both.sort_index()


def _apply(store: FeatureStore, marker: Path, config: str) -> None:
    """Register what the modules declare, unless the marker says that exactly this was registered here."""
    code = "".join(p.read_text(encoding="utf-8") for p in sorted(HERE.glob("*.py")))
    digest = hashlib.sha256(f"{config}{code}{FEATURES}".encode()).hexdigest()
    if marker.exists() and marker.read_text(encoding="utf-8") == digest:
        return
    from feature_repo.entities import security
    from feature_repo.services import price_forecast_v1
    from feature_repo.views import price_features, price_window

    with contextlib.redirect_stdout(io.StringIO()):
        store.apply([security, price_features, price_window, price_forecast_v1])
    marker.write_text(digest, encoding="utf-8")


def _ttl(store: FeatureStore) -> pd.Timedelta:
    from feature_repo.views import TTL

    return pd.Timedelta(TTL)


def _unavailable(store: FeatureStore, entity: str, asked: pd.Timestamp) -> FeatureUnavailable:
    newest = newest_known(store, entity, asked)
    if newest is None:
        return FeatureUnavailable(
            f"The feature store has nothing on {entity!r} at or before {asked}.",
            "Check the entity's name, ask for a later time, or compute and write its features first.",
        )
    return FeatureUnavailable(
        f"The newest features of {entity!r} at {asked} are of {newest}, older than {_ttl(store).days} days.",
        "Load newer bars and materialise again, or ask for an earlier time.",
    )


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    return moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)
