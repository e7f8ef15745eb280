"""Kept documents on both databases: put, replaced by their owner alone, found by person, exported and erased."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from components.records.database import Database
from components.records.documents import Document, DocumentTaken, get, of_user, put, remove
from components.records.erasure import erase
from components.records.export import export, rows_about
from components.records.pseudonym import pseudonym
from components.records.retention import RetentionPolicy, retain
from components.settings import Settings
from tests.support.records import database, postgres_server  # noqa: F401

PARTS = {"holdings": [{"security_id": "RELIANCE", "quantity": 10, "price": 2456.75}], "note": "₹ and \x00"}


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, audit_key="k" * 32, pepper="p" * 32)


def test_a_document_comes_back_as_it_was_put(database: Database) -> None:  # noqa: F811
    first = put(database, "portfolio", "p-1", PARTS, user="u" * 32, caller="c" * 32)
    assert first.parts == {**PARTS, "note": "₹ and \ufffd"}, "no database keeps a NUL"
    assert (first.user, first.caller) == ("u" * 32, "c" * 32)
    assert get(database, "portfolio", "p-1") == first
    assert get(database, "goal", "p-1") is None
    assert get(database, "portfolio", "p-2") is None


def test_putting_again_replaces_the_whole_and_keeps_when_it_began(database: Database) -> None:  # noqa: F811
    first = put(database, "portfolio", "p-1", PARTS, user="u", caller="c")
    again = put(database, "portfolio", "p-1", {"holdings": []}, caller="c")
    assert (again.parts, again.user) == ({"holdings": []}, "")
    assert again.created_at == first.created_at
    assert again.updated_at > first.updated_at
    assert put(database, "portfolio", "p-1", {"holdings": []}, caller="c").parts == again.parts


def test_another_caller_replaces_nothing(database: Database) -> None:  # noqa: F811
    put(database, "portfolio", "p-1", PARTS, caller="c")
    with pytest.raises(DocumentTaken, match="Another caller keeps portfolio 'p-1'"):
        put(database, "portfolio", "p-1", {"holdings": []}, caller="d")
    found = put(database, "portfolio", "p-1", {"holdings": []}, caller="service", anybodys=True)
    assert (found.caller, found.parts) == ("c", {"holdings": []}), "it stays its owner's"


def test_of_many_that_put_at_once_one_owns_it(database: Database) -> None:  # noqa: F811
    def attempt(caller: str) -> bool:
        try:
            put(database, "portfolio", "p-1", {"by": caller}, caller=caller)
        except DocumentTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, [f"c{n}" for n in range(8)]))
    found = get(database, "portfolio", "p-1")
    assert won.count(True) == 1
    assert found is not None
    assert found.parts == {"by": found.caller}


def test_a_long_id_is_found_again_and_no_other(database: Database) -> None:  # noqa: F811
    one, other = "x" * 150 + "1", "x" * 150 + "2"
    put(database, "portfolio", one, {"a": 1}, caller="c")
    assert get(database, "portfolio", other) is None
    found = get(database, "portfolio", one)
    assert found is not None
    assert found.parts == {"a": 1}


def test_removing_twice_is_the_same_as_once(database: Database) -> None:  # noqa: F811
    put(database, "portfolio", "p-1", PARTS, caller="c")
    assert not remove(database, "portfolio", "p-1", "d"), "it is another's"
    assert [remove(database, "portfolio", "p-1", "c") for _ in range(2)] == [True, False]
    assert get(database, "portfolio", "p-1") is None


def kept(records: Database, config: Settings) -> dict[str, Document]:
    user, caller = pseudonym("sunita", "user", config), pseudonym("sunita", "caller", config)
    return {
        "hers": put(records, "portfolio", "hers", {"note": "Nagpur"}, user=user, caller="app"),
        "by her": put(records, "goal", "by her", {"note": "Nagpur"}, caller=caller),
        "her id": put(records, "user", "sunita", {"note": "Nagpur"}, caller="app"),
        "other": put(records, "portfolio", "other", {"note": "Pune"}, user="somebody", caller="app"),
    }


def test_a_persons_documents_are_found(database: Database, config: Settings) -> None:  # noqa: F811
    made = kept(database, config)
    assert of_user(database, made["hers"].user) == [made["hers"]]
    assert of_user(database, "nobody") == []


def test_export_has_them(database: Database, config: Settings) -> None:  # noqa: F811
    kept(database, config)
    memory = io.BytesIO()
    assert export(database, "sunita", memory, config)["documents"] == 3
    with zipfile.ZipFile(memory) as archive:
        rows = orjson.loads(archive.read("documents.json"))
    assert {row["entity_id"] for row in rows} == {"hers", "by her", "sunita"}
    assert all(row["document"] == {"note": "Nagpur"} for row in rows)
    assert rows_about(database, "sunita", 10, config) == 3


def test_erasure_deletes_them_and_no_others(database: Database, config: Settings) -> None:  # noqa: F811
    kept(database, config)
    assert erase(database, "sunita", "asked by letter", config).documents == 3
    assert get(database, "portfolio", "hers") is None
    assert get(database, "goal", "by her") is None
    assert get(database, "portfolio", "other") is not None
    assert erase(database, "sunita", "asked again", config).documents == 0


def test_retention_leaves_them(database: Database, config: Settings) -> None:  # noqa: F811
    from datetime import timedelta

    from components.records.tables.base import utc_now

    kept(database, config)
    retain(database, b"k" * 32, RetentionPolicy(), now=utc_now() + timedelta(days=10_000))
    assert get(database, "portfolio", "other") is not None
