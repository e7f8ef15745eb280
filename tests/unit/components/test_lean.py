"""Importing a library without the packages it would only look at."""

import subprocess
import sys

import pytest

from components.lean import without


def test_a_package_is_hidden_inside_and_there_again_afterwards() -> None:
    sys.modules.pop("colorsys", None)
    with without("colorsys"), pytest.raises(ModuleNotFoundError, match="colorsys"):
        import colorsys
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_a_package_that_was_imported_before_stays_visible() -> None:
    import json

    with without("json"):
        import json as again
    assert again is json
    assert sys.modules["json"] is json


def test_a_failing_import_leaves_nothing_hidden() -> None:
    sys.modules.pop("colorsys", None)
    with pytest.raises(RuntimeError), without("colorsys"):
        raise RuntimeError
    assert "colorsys" not in sys.modules


@pytest.mark.parametrize(
    ("hidden", "library", "absent"),
    [
        (("sklearn", "pandas"), "xgboost", "sklearn"),
        (("pandas",), "sklearn.linear_model", "pandas"),
    ],
)
def test_a_library_does_without_what_is_hidden(hidden: tuple[str, ...], library: str, absent: str) -> None:
    code = (
        f"import sys\nfrom components.lean import without\nwith without(*{hidden}):\n    import {library}\n"
        f"assert {absent!r} not in sys.modules, {absent!r}\nimport {absent}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
