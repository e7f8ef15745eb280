"""Documents that requests may name: what may be kept, and what a request is completed with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import pytest
from pydantic import Field

from components.catalog import get_product, get_spec
from components.errors import ConfigurationError
from components.models.product import Kept
from components.records.database import Database
from components.records.documents import put
from components.records.pseudonym import pseudonym
from components.wire import Payload
from inference.gateway.caller import Caller
from inference.gateway.product.completion import Completed, Completion, UnknownDocument
from inference.gateway.product.kept import LARGEST, DocumentTooLarge, NotKept, check_document, example, takers
from inference.gateway.product.products import InvalidPayload, Offer, Products
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401
from tests.support.tiny import test_rooms

HOLDINGS = [{"security_id": "A", "weight": 1.0}]
ME, OTHER = Caller("me", "app"), Caller("other", "app")


@pytest.fixture(scope="module")
def products() -> Products:
    with test_rooms(), pytest.MonkeyPatch.context() as patched:
        alone = {name: get_spec(name) for name in ("basket", "tiny")}
        patched.setattr("inference.gateway.product.products.catalogue", lambda: alone)
        return Products()


@pytest.fixture(scope="module")
def basket(products: Products) -> Offer:
    return products.find("basket")


class Sectors(Payload):
    """Another model's holding: it wants the sector, and no weight."""

    security_id: str
    sector: str


class SectorDocument(Payload):
    """Another model's document of the same kind."""

    holdings: Annotated[list[Sectors], Field(min_length=1)]


@pytest.fixture
def shared(products: Products, basket: Offer) -> Iterator[Products]:
    """A second model that takes documents of the same kind."""
    kept = Kept("basket", "basket_id", SectorDocument)
    other = Offer(replace(basket.spec, name="sectors"), replace(basket.product, kept=kept))
    before = products.by_kept["basket"]
    products.by_kept["basket"] = [*before, other]
    yield products
    products.by_kept["basket"] = before


def test_a_document_is_kept_as_it_was_sent_without_its_nulls(products: Products) -> None:
    assert check_document(products, "basket", {"holdings": HOLDINGS, "terms": None}) == {"holdings": HOLDINGS}
    terms = {"terms": {"leverage": 2.0}}
    assert check_document(products, "basket", terms) == terms, "what else a model needs may come with the request"


@pytest.mark.parametrize(
    ("given", "path", "told"),
    [
        ({"holding": HOLDINGS}, "holding", "Send some of holdings, terms"),
        ({}, "", "there is no part"),
        ({"holdings": []}, "holdings", "at least 1 item"),
        ({"holdings": [{"security_id": "A", "weight": "1"}]}, "holdings.0.weight", "valid number"),
        ({"holdings": [{"security_id": "A", "weight": 2.0}]}, "holdings.0.weight", "less than or equal to 1"),
        ({"terms": {"leverage": 1.0, "dayz": 3.0}}, "terms.dayz", "No model here knows this"),
    ],
)
def test_what_no_model_takes_is_refused(products: Products, given: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(InvalidPayload, match=told) as caught:
        check_document(products, "basket", given)
    assert (caught.value.path, caught.value.status) == (path, 422)


def test_an_unknown_kind_is_told_the_known_ones(products: Products) -> None:
    with pytest.raises(NotKept, match=r"Use one of: .*basket"):
        check_document(products, "yacht", {"holdings": HOLDINGS})


def test_a_document_has_a_largest_size(products: Products) -> None:
    with pytest.raises(DocumentTooLarge, match=f"more than {LARGEST}"):
        check_document(products, "basket", {"holdings": [{"security_id": "A" * LARGEST, "weight": 1.0}]})


@pytest.mark.parametrize("depth", [240, 300, 1000])
def test_a_deep_document_is_refused_not_a_crash(products: Products, depth: int) -> None:
    nested = orjson.loads(b"[" * depth + b"]" * depth)
    with pytest.raises(InvalidPayload):
        check_document(products, "basket", {"holdings": [{**HOLDINGS[0], "more": nested}]})
    with pytest.raises(InvalidPayload):
        check_document(products, "basket", {"holdings": nested})


def test_models_that_share_a_kind_each_take_what_they_know(shared: Products) -> None:
    both = {"holdings": [{"security_id": "A", "weight": 1.0, "sector": "IT"}]}
    assert check_document(shared, "basket", both) == both
    assert takers(shared, "basket", both) == ["basket", "sectors"]
    assert takers(shared, "basket", {"holdings": HOLDINGS}) == ["basket"]
    only = {"holdings": [{"security_id": "A", "sector": "IT"}]}
    assert takers(shared, "basket", check_document(shared, "basket", only)) == ["sectors"]
    with pytest.raises(InvalidPayload, match=r"holdings\.0\.weigth"):
        check_document(shared, "basket", {"holdings": [{**both["holdings"][0], "weigth": 1.0}]})


def test_the_example_is_taken(products: Products) -> None:
    kind, parts = example(products)
    assert check_document(products, kind, parts) == parts


def test_the_document_of_the_manual_is_taken() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    found = re.search(r"-X PUT \S+/documents/(\w+)/\S+ -H \S+ -d '(.+?)'", manual, re.DOTALL)
    assert found is not None
    body = orjson.loads(found[2])
    assert body.pop("user_id")
    products = Products()
    assert check_document(products, found[1], body) == body
    assert takers(products, found[1], body)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (Kept("basket", "nope", SectorDocument), "'nope' does not exist"),
        (Kept("basket", "basket_id", Sectors), "'security_id' does not exist"),
    ],
)
def test_a_product_must_have_the_fields_that_documents_fill(
    monkeypatch: pytest.MonkeyPatch, basket: Offer, kept: Kept, told: str
) -> None:
    wrong = replace(basket.product, kept=kept)
    module = "inference.gateway.product.products"
    monkeypatch.setattr(f"{module}.catalogue", lambda: {"basket": basket.spec})
    monkeypatch.setattr(f"{module}.get_product", lambda name: wrong)
    with pytest.raises(ConfigurationError, match=told):
        Products()


def complete(records: Database, offer: Offer, payload: Any, caller: Caller = ME) -> Completed:
    return asyncio.run(Completion(records).complete(offer, offer.read(payload), caller))


@pytest.fixture
def records(database: Database) -> Database:  # noqa: F811
    owner = pseudonym("sunita", "user")
    put(database, "basket", "b-1", {"holdings": HOLDINGS, "terms": {"days": 5.0}}, user=owner, caller="me")
    return database


def test_what_is_left_out_comes_from_the_document(records: Database, basket: Offer) -> None:
    found = complete(records, basket, {"basket_id": "b-1"})
    assert found.request.model_dump(exclude_unset=True) == {
        "basket_id": "b-1",
        "holdings": HOLDINGS,
        "terms": {"days": 5.0},
    }
    assert found.user == pseudonym("sunita", "user")
    assert found.source["parts"] == ["holdings", "terms"]
    assert found.source["updated_at"]


def test_what_the_request_says_holds(records: Database, basket: Offer) -> None:
    found = complete(records, basket, {"basket_id": "b-1", "terms": {"days": 30.0}})
    assert found.request.terms.days == 30.0  # type: ignore[attr-defined]
    assert found.source["parts"] == ["holdings"]


def test_nothing_is_read_where_nothing_is_missing(basket: Offer) -> None:
    class Nothing:
        def read(self) -> None:
            raise AssertionError("the database was asked")

    whole = {"holdings": HOLDINGS, "terms": {"days": 1.0}}
    for payload in ({"basket_id": "b-1", **whole}, {"holdings": HOLDINGS}, {}):
        assert complete(Nothing(), basket, payload).source == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", [{"basket_id": "b-2"}, {"basket_id": "b-2", "terms": {"days": 1.0}}])
def test_what_is_not_kept_is_said_with_its_remedy(records: Database, basket: Offer, payload: Any) -> None:
    with pytest.raises(UnknownDocument, match=r"No basket 'b-2' of yours is kept.*carries no holdings") as caught:
        complete(records, basket, payload)
    assert caught.value.status == 404
    assert "PUT it to /api/v1/ml/documents/basket/" in caught.value.remedy


def test_an_id_may_be_nothing_but_a_name(records: Database, basket: Offer) -> None:
    found = complete(records, basket, {"basket_id": "b-2", "holdings": HOLDINGS})
    assert found.source == {}
    assert found.request.terms is None  # type: ignore[attr-defined]


def test_somebody_elses_document_is_not_there(records: Database, basket: Offer) -> None:
    with pytest.raises(UnknownDocument):
        complete(records, basket, {"basket_id": "b-1"}, OTHER)
    service = Caller("service", "app", tier="internal")
    assert complete(records, basket, {"basket_id": "b-1"}, service).source, "our own services act for everybody"


def test_a_document_is_its_persons_alone(records: Database, basket: Offer) -> None:
    assert complete(records, basket, {"basket_id": "b-1", "user_id": "sunita"}).source
    with pytest.raises(UnknownDocument):
        complete(records, basket, {"basket_id": "b-1", "user_id": "ravi"})


def test_a_document_of_another_models_shape_says_what_to_do(records: Database, basket: Offer) -> None:
    put(records, "basket", "b-3", {"holdings": [{"security_id": "A", "sector": "IT"}]}, caller="me")
    with pytest.raises(InvalidPayload, match=r"holdings\.0\.weight") as caught:
        complete(records, basket, {"basket_id": "b-3"})
    assert "put it anew as 'basket' does" in caught.value.remedy


def test_what_only_others_know_is_left_out(records: Database, basket: Offer) -> None:
    put(records, "basket", "b-4", {"holdings": [{**HOLDINGS[0], "sector": "IT"}]}, caller="me")
    assert complete(records, basket, {"basket_id": "b-4"}).request.holdings[0].weight == 1.0  # type: ignore[attr-defined]


def test_a_model_without_documents_is_asked_as_it_is(records: Database) -> None:
    with test_rooms():
        product = get_product("tiny")
        assert product is not None
        offer = Offer(get_spec("tiny"), product)
    payload = {"close": 1.0, "rsi_14": 2.0, "volatility_21": 0.1}
    assert complete(records, offer, payload).request == offer.read(payload)
