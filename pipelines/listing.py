"""Read the Kubeflow API's lists whole: it hands them out in pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

PAGE = 100


def everything(listing: Callable[..., Any], **given: Any) -> Iterator[Any]:
    """Yield every object of a list.

    Parameters
    ----------
    listing : callable
        One of the client's ``list_...`` methods.
    **given
        Its arguments; None is left out.
    """
    asked, token = {k: v for k, v in given.items() if v is not None}, ""
    while True:
        answer = listing(page_token=token, page_size=PAGE, **asked)
        # Each answer has one list, named after what it holds; an empty one is left out.
        yield from next((v for v in map(answer.__getattribute__, answer.openapi_types) if isinstance(v, list)), [])
        token = answer.next_page_token
        if not token:
            return


def named(listing: Callable[..., Any], name: str, **given: Any) -> Iterator[Any]:
    """Yield the objects of this display name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = everything(listing, filter=json.dumps({"predicates": [predicate]}), **given)
    return (item for item in found if item.display_name == name)
