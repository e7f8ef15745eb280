"""Feature views: the table of definitions as Feast sees it."""

from __future__ import annotations

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Array, Float32, Float64, String

from components.features.definitions import FEATURES, WINDOW_CHANNELS, WINDOW_LENGTH
from feature_repo.entities import security
from feature_repo.sources import source

TTL = timedelta(days=7)
"""Oldest features that still stand for now: New York's longest closure in living memory (September 2001) is bridged."""

_KEY = Field(name="entity", dtype=String)

price_features = FeatureView(
    name="price_features",
    entities=[security],
    ttl=TTL,
    schema=[
        _KEY,
        *(Field(name=c.name, dtype=Float64, description=c.description, tags={"unit": c.unit}) for c in FEATURES),
    ],
    source=source("price_features"),
    online=True,
    description="Indicators of a security at the end of a bar; definitions in components/features/definitions.py.",
    tags={"owner": "markets-ml"},
)

price_window = FeatureView(
    name="price_window",
    entities=[security],
    ttl=TTL,
    schema=[
        _KEY,
        Field(
            name="window",
            dtype=Array(Float32),
            description=f"The last {WINDOW_LENGTH} bars, oldest first, each {', '.join(WINDOW_CHANNELS)}: log ratios "
            "to the latest close and to the window's mean volume.",
        ),
    ],
    source=source("price_window"),
    online=True,
    description="The last bars of a security as one flat array.",
    tags={"owner": "markets-ml"},
)
