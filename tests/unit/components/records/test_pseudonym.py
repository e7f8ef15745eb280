"""Pseudonyms: the same for everybody who has the pepper, of no use to anybody else."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from components.errors import ConfigurationError
from components.records import keys
from components.records.pseudonym import pseudonym
from components.settings import Settings


def test_replicas_that_share_the_pepper_agree(tmp_path: Path) -> None:
    one, two = (Settings(home=tmp_path / name, pepper="a pepper of some length") for name in ("one", "two"))
    assert pseudonym("user-17", "user", one) == pseudonym("user-17", "user", two)
    assert len(pseudonym("user-17", "user", one)) == 32


def test_kinds_peppers_and_people_differ(tmp_path: Path) -> None:
    one = Settings(home=tmp_path / "one")
    other = Settings(home=tmp_path / "other")
    found = {
        pseudonym("u", "user", one),
        pseudonym("u", "caller", one),
        pseudonym("v", "user", one),
        pseudonym("u", "user", other),
    }
    assert len(found) == 4
    assert pseudonym("", "user", one) == ""


def test_the_made_key_is_kept_and_closed(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)
    first = keys.audit_key(config)
    keys._key.cache_clear()
    assert keys.audit_key(config) == first
    assert (tmp_path / "keys" / "audit_key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)
    keys.pepper(config)
    (tmp_path / "keys" / "pepper").chmod(0o644)
    keys._key.cache_clear()
    with pytest.raises(ConfigurationError, match="chmod 600"):
        keys.pepper(config)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ARTHAFLOW_PEPPER has 5 characters"):
        keys.pepper(Settings(home=tmp_path, pepper="short"))


def _key_of(home: Path) -> bytes:
    return keys.pepper(Settings(home=home))


def test_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(_key_of, [tmp_path] * 8))) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["pepper"]
