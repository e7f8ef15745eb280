"""Feast is imported without what only costs time, and nothing else notices."""

import subprocess
import sys

CODE = """
import sys, typeguard
from feature_repo.importing import import_feast
before = typeguard.typechecked
import_feast()
import_feast()
assert typeguard.typechecked is before, "others still get typeguard's own"
assert "torch" not in sys.modules
from feast import FeatureStore
import torch
assert torch.zeros(2).sum() == 0
"""


def test_feast_is_imported_without_torch_and_typeguard_stays_whole() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=120)
