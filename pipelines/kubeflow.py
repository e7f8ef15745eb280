"""A connection to the Kubeflow Pipelines API: token, namespace, and its refusals as errors a person can act on."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError

TIMEOUT_S = 10.0
TOKEN = "ARTHAFLOW_KFP_TOKEN"
TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"
"""Kubeflow's own variable for where a pod finds the token that is meant for the Pipelines API."""
IN_CLUSTER_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"
FORWARD = "`kubectl port-forward svc/ml-pipeline-ui 8080:80 -n kubeflow` makes it http://localhost:8080."


@dataclass(frozen=True)
class Kubeflow:
    """An open connection.

    Attributes
    ----------
    client : kfp.Client
        It prints addresses on standard output.
    host : str
        Without a slash at its end.
    namespace : str or None
        Sent with requests; None where Kubeflow serves a single user and refuses one.
    """

    client: Any
    host: str
    namespace: str | None

    def page(self, kind: str, number: str) -> str:
        """Return the address of a run or of a recurring run in the interface."""
        return f"{self.host}/#/{kind}/details/{number}"


@contextmanager
def connect(host: str, namespace: str = "", token: str = "") -> Iterator[Kubeflow]:
    """Open a connection; what fails inside the block becomes one clear error.

    Parameters
    ----------
    host : str
        URL of the API, or of the interface in front of it.
    namespace : str
        Of the profile, where Kubeflow serves several users; ignored where it serves one.
    token : str
        Bearer token; by default ``ARTHAFLOW_KFP_TOKEN``, else the one that is projected into a pod.

    Raises
    ------
    ConfigurationError
        If the host is missing, unreachable, no Kubeflow, or refuses.
    """
    if not host:
        raise ConfigurationError(
            "No Kubeflow Pipelines host was given.", "Pass --host http://..., or set ARTHAFLOW_KFP_HOST."
        )
    address = host.rstrip("/")
    with explained(address):
        given = token or os.environ.get(TOKEN, "")
        several = _ask_health(address, given or read_token())
        if several and not namespace:
            raise ConfigurationError(
                f"Kubeflow Pipelines at {address} serves several users.", "Name your profile: --namespace <profile>."
            )
        place = namespace if several else ""
        yield Kubeflow(_client(address, place, given), address, place or None)


def read_token() -> str:
    """Return the token that is projected into this pod; empty where there is none."""
    path = Path(os.environ.get(TOKEN_FILE) or IN_CLUSTER_TOKEN)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _client(address: str, namespace: str, token: str) -> Any:
    from kfp import Client
    from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

    # A projected token is renewed while a run is waited for, so the client reads the file again and again.
    credentials = None if token or not read_token() else ServiceAccountTokenVolumeCredentials()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Client(address, namespace=namespace or "kubeflow", existing_token=token or None, credentials=credentials)


def _ask_health(address: str, token: str) -> bool:
    """Ask whether the host is alive, and whether it serves several users; the client itself would ask half a minute."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(f"{address}/apis/v2beta1/healthz", headers=headers, timeout=TIMEOUT_S, trust_env=False)
    if answer.status_code in (401, 403):
        raise refused(address, answer.status_code, "")
    if not answer.is_success or "json" not in answer.headers.get("content-type", ""):
        raise ConfigurationError(
            f"{address} answers {answer.status_code} and is no Kubeflow Pipelines API.",
            f"Check --host; behind Kubeflow's dashboard it ends with /pipeline. {FORWARD}",
        )
    return bool(answer.json().get("multi_user"))


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turn what the API and the network refuse into one clear error.

    Raises
    ------
    ConfigurationError
        With the API's own words and the remedy.
    """
    import httpx
    from kfp_server_api import ApiException  # type: ignore[import-untyped]
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise refused(address, error.status, told(error.body)) from error
    except (HTTPError, ConnectionError, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"Kubeflow Pipelines at {address!r} cannot be reached ({type(error).__name__}).", f"Check --host; {FORWARD}"
        ) from error


def refused(address: str, status: int, words: str) -> ConfigurationError:
    """Return the error for an answer that is no success."""
    remedies = {
        401: f"Set {TOKEN} to a token of this Kubeflow.",
        403: f"Check --namespace, and that your token ({TOKEN}) may do this there.",
        404: "Check --namespace and the ids.",
        409: "Someone else made it at the same moment: try again.",
    }
    detail = f": {words}" if words else "."
    return ConfigurationError(
        f"Kubeflow Pipelines at {address} answered {status}{detail}",
        remedies.get(
            status, "The log of the pod ml-pipeline says more." if status >= 500 else "Correct what it names."
        ),
    )


def told(body: Any) -> str:
    """Return what the API says in an error: the gateway's ``message``, or the upload server's ``error_message``."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError:
        return ""
    if not isinstance(parsed, dict):
        return ""
    return str(parsed.get("message") or parsed.get("error_message") or parsed.get("error") or "").strip()
