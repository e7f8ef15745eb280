"""Which headers pass the gateway: a list, so that no credential of a client and no detail of a server leaks through."""

from __future__ import annotations

import re
from uuid import uuid4

from inference.cloudevents import SYNTHETIC
from inference.router.backend import Headers

CONTENT = frozenset(b"content-type content-encoding inference-header-content-length".split())
TO_MODEL = CONTENT | frozenset(b"x-request-id traceparent x-model-track ce-id".split())
"""What a model's server reads. ``Authorization`` is not among it: kserve's explainers echo request headers."""

TOKEN = b"authorization"
"""Goes along only where the models' sidecars ask for it."""

TO_CLIENT = CONTENT | frozenset(b"retry-after x-model-version x-model-track".split())
REQUEST_ID = b"x-request-id"
_PLAIN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id(headers: Headers) -> bytes:
    """Return the client's request id, or a new one where it is missing, repeated or not fit for a log line.

    Examples
    --------
    >>> request_id([(b"x-request-id", b"order-17")])
    b'order-17'
    >>> len(request_id([(b"x-request-id", b"two words")]))
    32
    """
    given = [value for name, value in headers if name == REQUEST_ID]
    if len(given) == 1 and _PLAIN_ID.fullmatch(given[0]):
        return given[0]
    return uuid4().hex.encode()


def to_model(headers: Headers, identity: bytes, token: bool = False) -> Headers:
    """Return what is sent to a model's server.

    An event id that claims to be an explainer's is dropped: the drift detector would not count the request.

    Parameters
    ----------
    headers : list
        As the client sent them.
    identity : bytes
        The request's id.
    token : bool
        Whether the client's token goes along.
    """
    passing = TO_MODEL | {TOKEN} if token else TO_MODEL
    kept = [(n, v) for n, v in headers if n in passing and n != REQUEST_ID and not _made_up(n, v)]
    return [*kept, (REQUEST_ID, identity)]


def to_client(headers: Headers) -> Headers:
    """Return what of a model's answer a client sees."""
    return [(name, value) for name, value in headers if name in TO_CLIENT]


def _made_up(name: bytes, value: bytes) -> bool:
    return name == b"ce-id" and value.startswith(SYNTHETIC.encode())
