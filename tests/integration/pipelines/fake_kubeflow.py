"""A Kubeflow Pipelines API server for tests: v2beta1 over HTTP, kept in memory, as strict as the real one.

Runs go through their states by themselves, one a look: ``PENDING``, ``RUNNING`` (its steps one after the other), then
``SUCCEEDED``, or ``FAILED`` in the step that a test named.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration.pipelines.kubeflow_rules import (
    Refused,
    check_parameters,
    check_payload,
    check_trigger,
    parse_spec,
    read_ir,
)

API = "/apis/v2beta1"
Record = dict[str, Any]
LISTS = {"experiments": "experiments", "pipelines": "pipelines", "runs": "runs", "recurringruns": "recurringRuns"}
KEYS = {
    "experiments": "experiment_id",
    "pipelines": "pipeline_id",
    "runs": "run_id",
    "recurringruns": "recurring_run_id",
}
MODELS = {
    "experiments": "V2beta1Experiment", "pipelines": "V2beta1Pipeline", "runs": "V2beta1Run",
    "recurringruns": "V2beta1RecurringRun",
}  # fmt: skip


@dataclass
class FakeKubeflow:
    """The server's state, and what a test may set.

    Attributes
    ----------
    multi_user, namespaces : bool, set of str
        With several users, a request must name one of the namespaces.
    token : str
        Needed as a bearer token when set.
    fail_in, reason : str
        Step in which runs fail, and what the API says of it; empty for runs that succeed.
    stumbles : int
        How many of the next looks at a run are answered 503.
    busy : bool
        Runs stay RUNNING.
    asked : list
        Method, path and JSON body of every request.
    """

    multi_user: bool = False
    namespaces: set[str] = field(default_factory=set)
    token: str = ""
    fail_in: str = ""
    reason: str = ""
    stumbles: int = 0
    busy: bool = False
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    kept: dict[str, dict[str, Record]] = field(default_factory=lambda: {k: {} for k in (*LISTS, "versions")})
    now: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    url: str = ""
    _number: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def all(self, kind: str) -> list[Record]:
        """Every object of a kind, as it is kept."""
        return list(self.kept[kind].values())

    def one(self, kind: str) -> Record:
        """The only object of a kind."""
        (found,) = self.all(kind)
        return found

    def answer(self, verb: str, target: str, headers: Any, raw: bytes) -> Record:
        """Answer one request, or raise what it is refused with."""
        path, query = urlsplit(target).path, {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        upload = path.startswith(f"{API}/pipelines/upload")
        body = json.loads(raw) if raw and not upload else None
        self.asked.append((verb, target, body))
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "Request header error: there is no user identity header.")
        if path == f"{API}/healthz":
            return {"multi_user": self.multi_user}
        if not path.startswith(f"{API}/"):
            raise Refused(404, "Not Found")
        self._check_namespace((body or {}).get("namespace") or query.get("namespace", ""))
        if upload:
            return self._upload(path.rpartition("/")[2], query, _file(headers, raw))
        parts = path.removeprefix(f"{API}/").split("/")
        if parts[0] == "pipelines" and parts[2:3] == ["versions"]:
            return self._versions(verb, parts[1], parts[3:], query)
        if parts[0] not in LISTS:
            raise Refused(404, "Not Found")
        return self._objects(verb, parts[0], "/".join(parts[1:]), query, body)

    def _check_namespace(self, namespace: str) -> None:
        if not self.multi_user and namespace:
            raise Refused(400, "Invalid input error: In single-user mode, namespace must be empty.")
        if self.multi_user and namespace and namespace not in self.namespaces:
            raise Refused(403, f"User 'tester' is not authorized in the namespace {namespace!r}: Unauthorized access")

    def _objects(self, verb: str, kind: str, rest: str, query: dict[str, str], body: Any) -> Record:
        if verb == "POST" and not rest:
            check_payload(MODELS[kind], body)
            return getattr(self, f"_make_{kind}")(body)  # type: ignore[no-any-return]
        if verb == "GET" and not rest:
            return self._page(LISTS[kind], self.all(kind), query)
        number, _, action = rest.partition(":")
        found = self._find(kind, number)
        if verb == "GET":
            return self._look(found) if kind == "runs" else found
        if verb == "DELETE" and kind == "pipelines" and any(v["pipeline_id"] == number for v in self.all("versions")):
            raise Refused(400, f"Cannot delete pipeline {number} as it has existing versions")
        if verb == "DELETE":
            del self.kept[kind][number]
            return {}
        if verb == "POST" and kind == "recurringruns" and action in ("enable", "disable"):
            found.update(mode=action.upper(), status=f"{action.upper()}D")
            return {}
        if verb == "POST" and kind == "runs" and action == "terminate":
            found["state"] = "CANCELED"
            return {}
        raise Refused(404, "Not Found")

    def _find(self, kind: str, number: str) -> Record:
        if number not in self.kept[kind]:
            raise Refused(404, f"ResourceNotFoundError: {kind} {number} not found")
        return self.kept[kind][number]

    def _keep(self, kind: str, key: str, record: Record) -> Record:
        number = f"{kind}-{next(self._number)}"
        self.now += timedelta(seconds=1)
        self.kept[kind][number] = {**record, key: number, "created_at": self.now.isoformat().replace("+00:00", "Z")}
        return self.kept[kind][number]

    def _once(self, kind: str, record: Record) -> None:
        """Names are unique within a namespace, and of versions within a pipeline."""
        places = ("display_name", "namespace", "pipeline_id")
        if any(all(k.get(p) == record.get(p) for p in places) for k in self.all(kind)):
            raise Refused(409, f"The name {record['display_name']} already exists. Specify a new name")

    def _make_experiments(self, body: Record) -> Record:
        if self.multi_user and not body.get("namespace"):
            raise Refused(400, "Invalid input error: Namespace is empty")
        self._once("experiments", body)
        return self._keep("experiments", "experiment_id", {**body, "storage_state": "AVAILABLE"})

    def _make_pipelines(self, body: Record) -> Record:
        if not body.get("display_name"):
            raise Refused(400, "Invalid input error: pipeline's name cannot be empty")
        if any(p["display_name"] == body["display_name"] for p in self.all("pipelines")):
            raise Refused(409, f"The name {body['display_name']} already exists. Specify a new name")
        return self._keep("pipelines", "pipeline_id", body)

    def _make_runs(self, body: Record) -> Record:
        made = self._runnable(body)
        return self._keep("runs", "run_id", {**made, "state": "PENDING", "storage_state": "AVAILABLE"})

    def _make_recurringruns(self, body: Record) -> Record:
        check_trigger(body.get("trigger", {}))
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise Refused(400, "The max concurrency of the recurring run must be at least 1 and at most 10")
        if body.get("mode") not in ("ENABLE", "DISABLE"):
            raise Refused(400, f"Invalid input error: recurring run has invalid mode {body.get('mode')!r}")
        made = self._runnable(body)
        made["max_concurrency"] = str(body["max_concurrency"])
        return self._keep("recurringruns", "recurring_run_id", {**made, "status": f"{body['mode']}D"})

    def _runnable(self, body: Record) -> Record:
        """Check what runs and recurring runs have in common; ids that name nothing are refused."""
        if not body.get("display_name"):
            raise Refused(400, "Invalid input error: The name of the run is empty")
        self._find("experiments", str(body.get("experiment_id", "")))
        if ("pipeline_spec" in body) == ("pipeline_version_reference" in body):
            raise Refused(400, "Invalid input error: exactly one of pipeline spec and pipeline version is needed")
        if "pipeline_spec" in body:
            spec = body["pipeline_spec"].get("pipeline_spec", body["pipeline_spec"])
            parse_spec(spec)
        else:
            reference = body["pipeline_version_reference"]
            version = self._find("versions", str(reference.get("pipeline_version_id", "")))
            if version["pipeline_id"] != reference.get("pipeline_id"):
                raise Refused(400, "Invalid input error: the version is not of this pipeline")
            spec = version["pipeline_spec"]["pipeline_spec"]
        check_parameters(spec, body.get("runtime_config", {}).get("parameters", {}))
        # The real server fills this in when nobody asks for one.
        return {"service_account": "pipeline-runner", **{k: v for k, v in body.items() if v is not None}}

    def _upload(self, what: str, query: dict[str, str], text: str) -> Record:
        spec, platform = read_ir(text)
        name = query.get("name", "")
        if what == "upload":
            pipeline = self._make_pipelines({"display_name": name, "name": name})
        else:
            pipeline = self._find("pipelines", query.get("pipelineid", ""))
        record = {"display_name": name, "name": name, "pipeline_id": pipeline["pipeline_id"]}
        self._once("versions", record)
        graph = {"pipeline_spec": spec, **({"platform_spec": platform} if platform else {})}
        version = self._keep("versions", "pipeline_version_id", {**record, "pipeline_spec": graph})
        return pipeline if what == "upload" else version

    def _versions(self, verb: str, pipeline: str, rest: list[str], query: dict[str, str]) -> Record:
        self._find("pipelines", pipeline)
        if verb == "GET" and not rest:
            mine = [v for v in self.all("versions") if v["pipeline_id"] == pipeline]
            return self._page("pipeline_versions", mine, query)
        found = self._find("versions", rest[0])
        if verb == "DELETE":
            del self.kept["versions"][rest[0]]
            return {}
        return found

    def _page(self, name: str, items: list[Record], query: dict[str, str]) -> Record:
        for key in ("experiment_id", "namespace"):
            items = [i for i in items if not query.get(key) or i.get(key) == query[key]]
        items = [i for i in items if _matches(i, query.get("filter", ""))]
        key, _, order = query.get("sort_by", "created_at").partition(" ")
        items = sorted(items, key=lambda i: str(i.get(key, "")), reverse=order == "desc")
        start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 20)
        token = {"next_page_token": str(start + size)} if start + size < len(items) else {}
        return {name: items[start : start + size], "total_size": len(items), **token} if items else {}

    def _look(self, run: Record) -> Record:
        if self.stumbles:
            self.stumbles -= 1
            raise Refused(503, "upstream connect error or disconnect/reset before headers")
        return self._advance(run)

    def _advance(self, run: Record) -> Record:
        """Show a run as it stands, then let it go on by one step."""
        names, at = self._steps(run), run.setdefault("_at", -1)  # -1: before the first step
        shown = {k: v for k, v in run.items() if k != "_at"}
        shown["run_details"] = {"task_details": _details(run, names[: at + 1], self.reason)}
        if run["state"] == "FAILED":
            shown["error"] = {"code": 13, "message": "the run failed"}
        if run["state"] in ("PENDING", "RUNNING") and not self.busy:
            if at >= 0 and names[at] == self.fail_in:
                run["state"] = "FAILED"
            else:
                run.update(_at=at + 1, state="RUNNING" if at + 1 < len(names) else "SUCCEEDED")
        return shown

    def _steps(self, run: Record) -> list[str]:
        if "pipeline_version_reference" in run:
            number = run["pipeline_version_reference"]["pipeline_version_id"]
            spec = self.kept["versions"][number]["pipeline_spec"]["pipeline_spec"]
        else:
            spec = run["pipeline_spec"]
        return [label.removeprefix("exec-") for label in spec["deploymentSpec"]["executors"]]


def _details(run: Record, names: list[str], reason: str) -> list[Record]:
    number = run["run_id"]
    shared = {"run_id": number, "child_tasks": [{"pod_name": f"{number}-root"}]}
    details: list[Record] = [{**shared, "task_id": "root", "display_name": "root", "state": run["state"]}]
    for name in names:
        last = name == names[-1] and run["state"] in ("RUNNING", "FAILED")
        task: Record = {"run_id": number, "task_id": f"{number}-{name}", "state": run["state"] if last else "SUCCEEDED"}
        why = {"error": {"code": 13, "message": reason}} if task["state"] == "FAILED" and reason else {}
        details.append({**task, "display_name": f"{name}-driver", "state": "SUCCEEDED"})
        details.append({**task, "display_name": name, "pod_name": f"{number}-{name}", **why})
    return details


def _matches(item: Record, text: str) -> bool:
    if not text:
        return True
    parsed = json.loads(text)
    check_payload("V2beta1Filter", _snake(parsed))
    for predicate in parsed["predicates"]:
        if predicate["key"] not in ("display_name", "created_at", "storage_state", "name"):
            raise Refused(
                400, f"Invalid input error: no support for filtering on unrecognized field {predicate['key']}"
            )
        value, wanted = str(item.get(predicate["key"], "")), predicate.get("stringValue", predicate.get("string_value"))
        # The gateway takes an enum's number as well as its name.
        if predicate["operation"] not in (1, "EQUALS"):
            raise Refused(400, f"Invalid input error: this server filters by EQUALS, not {predicate['operation']}")
        if value != wanted:
            return False
    return True


def _snake(parsed: Any) -> Any:
    predicates = [{k.replace("stringValue", "string_value"): v for k, v in p.items()} for p in parsed["predicates"]]
    return {**parsed, "predicates": predicates}


def _file(headers: Any, raw: bytes) -> str:
    """Return the one file of a multipart form."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    form = message_from_bytes(head + raw, policy=policy.HTTP)
    for part in form.iter_parts():  # type: ignore[attr-defined]
        if part.get_param("name", header="content-disposition") == "uploadfile":
            return bytes(part.get_payload(decode=True)).decode()
    raise Refused(400, "Failed to read pipeline from file")


@contextmanager
def fake_kubeflow(**settings: Any) -> Iterator[FakeKubeflow]:
    """Serve until the block ends; the settings are :class:`FakeKubeflow`'s."""
    state, turn = FakeKubeflow(**settings), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                with turn:
                    status, body = 200, state.answer(self.command, self.path, self.headers, raw)
                    told = json.dumps(body)
            except Refused as refusal:
                uploaded = "/pipelines/upload" in self.path
                words = {"error_message": refusal.message, "error_details": refusal.message}
                status, told = refusal.status, json.dumps(words if uploaded else refusal.body())
            except json.JSONDecodeError as error:
                status, told = 400, json.dumps(Refused(400, f"proto: syntax error: {error}").body())
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told.encode())))
            self.end_headers()
            self.wfile.write(told.encode())

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
