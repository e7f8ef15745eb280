"""Every test here renders the chart, so each needs Helm."""

from __future__ import annotations

import pytest

from tests.support.helm import HELM


@pytest.fixture(autouse=True)
def _helm() -> None:
    if not HELM:
        pytest.skip("no helm; `make setup-test` installs it")
