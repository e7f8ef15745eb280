"""Reading the data files of an installed package without importing it.

``import arch`` and ``import skfolio`` bring statsmodels, numba, matplotlib and cvxpy along, seven seconds of processor
time, for tables that pandas reads in a hundredth of that. A test compares with the packages' own loaders.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from components.errors import ConfigurationError


def read_shipped(package: str, file: str) -> pd.DataFrame:
    """Return a table by date, its columns as numbers.

    Parameters
    ----------
    package : str
        Top-level package, for example ``arch``.
    file : str
        Path of the gzipped CSV file in it; its first column is the date.

    Raises
    ------
    ConfigurationError
        If the package is not installed, or has no such file.
    """
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = next((p for p in (Path(folder, file) for folder in folders) if p.is_file()), None)
    if path is None:
        raise ConfigurationError(
            f"The embedded data {package}/{file} is not installed.", "Install the extra: pip install 'arthaflow[data]'."
        )
    frame = pd.read_csv(path, index_col=0)
    frame.index = pd.to_datetime(frame.index)
    numbers: pd.DataFrame = frame.apply(pd.to_numeric, errors="coerce")
    return numbers
