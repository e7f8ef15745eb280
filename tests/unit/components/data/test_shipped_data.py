"""Data files read without importing their package are what the package's own loader returns."""

import pandas as pd
import pytest

from components.data.embedded import NASDAQ, SP500, STOCKS, VIX
from components.data.shipped import read_shipped
from components.errors import ConfigurationError


@pytest.mark.parametrize(("file", "name"), [(SP500, "sp500"), (NASDAQ, "nasdaq"), (VIX, "vix")])
def test_arch_data_equals_its_loader(file: str, name: str) -> None:
    from importlib import import_module

    pd.testing.assert_frame_equal(read_shipped("arch", file), import_module(f"arch.data.{name}").load())


def test_skfolio_data_equals_its_loader() -> None:
    from skfolio.datasets import load_sp500_dataset

    pd.testing.assert_frame_equal(read_shipped("skfolio", STOCKS), load_sp500_dataset())


@pytest.mark.parametrize(("package", "file"), [("arch", "data/none.csv.gz"), ("no_such_package", "x")])
def test_what_is_not_installed_is_named(package: str, file: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{package}/{file}"):
        read_shipped(package, file)
