"""What features are about."""

from __future__ import annotations

from feast import Entity, ValueType

security = Entity(
    name="security",
    join_keys=["entity"],
    value_type=ValueType.STRING,
    description="A traded security or an index, by the name that its source gives it, such as SP500.",
)
