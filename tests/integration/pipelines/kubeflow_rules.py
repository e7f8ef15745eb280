"""What Kubeflow's API server checks before it accepts anything: payloads by the client's own models, graphs by their proto.

Messages and codes follow the server's (backend/src/apiserver of kubeflow/pipelines).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import kfp_server_api
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
"""gRPC's code by HTTP status, as the gateway translates them."""

CRON = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
NAMES = {
    n: i for names in ("sun mon tue wed thu fri sat", "_ jan feb mar apr may jun jul aug sep oct nov dec")
    for i, n in enumerate(names.split())
}  # fmt: skip
KINDS: dict[str, tuple[type, ...]] = {
    "STRING": (str,), "BOOLEAN": (bool,), "NUMBER_INTEGER": (int, float), "NUMBER_DOUBLE": (int, float),
    "LIST": (list,), "STRUCT": (dict,),
}  # fmt: skip
SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "object": (object,)}


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """As grpc-gateway writes it."""
        code = CODES[self.status]
        kind = "type.googleapis.com/google.rpc.Status"
        return {"code": code, "message": self.message, "details": [{"@type": kind, "code": code}]}


def check_payload(model: str, payload: Any, path: str = "") -> None:
    """Hold a JSON body to one of the client's models; the gateway refuses unknown fields and wrong types."""
    if not isinstance(payload, dict):
        raise Refused(400, f"proto: syntax error: {path or model} is no object")
    cls = getattr(kfp_server_api, model)
    types = {cls.attribute_map[name]: kind for name, kind in cls.openapi_types.items()}
    for key, value in payload.items():
        if key not in types:
            raise Refused(400, f'proto: unknown field "{path}{key}"')
        _check_value(types[key], value, f"{path}{key}")


def _check_value(kind: str, value: Any, path: str) -> None:
    if kind.startswith("dict(") or kind.startswith("list["):
        if not isinstance(value, dict if kind.startswith("dict(") else list):
            raise Refused(400, f"proto: invalid value for field {path}: {value!r}")
    elif kind == "datetime":
        try:
            datetime.fromisoformat(str(value))
        except ValueError:
            raise Refused(400, f"proto: invalid timestamp for field {path}: {value!r}") from None
    elif kind in SCALARS:
        # The gateway takes 64-bit integers as text and as numbers.
        if not isinstance(value, (*SCALARS[kind], *((int,) if path.endswith("max_concurrency") else ()))):
            raise Refused(400, f"proto: invalid value for field {path}: {value!r}")
    elif hasattr(getattr(kfp_server_api, kind), "allowable_values") and not getattr(kfp_server_api, kind).openapi_types:
        allowed = getattr(kfp_server_api, kind).allowable_values
        if value not in allowed and not (isinstance(value, int) and value in range(len(allowed))):
            raise Refused(400, f"proto: invalid value for enum field {path}: {value!r}")
    else:
        check_payload(kind, value, f"{path}.")


def read_ir(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse an uploaded package as the server does: one pipeline spec, and perhaps one platform spec."""
    try:
        documents = [d for d in yaml.safe_load_all(text) if d is not None]
    except yaml.YAMLError as error:
        raise Refused(400, f"Invalid input error: unknown template format: {error}") from None
    specs = [d for d in documents if isinstance(d, dict) and "pipelineInfo" in d]
    platforms = [d for d in documents if isinstance(d, dict) and "platforms" in d]
    if len(specs) != 1 or len(platforms) > 1 or len(documents) != len(specs) + len(platforms):
        raise Refused(400, "Invalid input error: unknown template format: pipeline spec is invalid")
    parse_spec(specs[0])
    json_format.ParseDict(platforms[0] if platforms else {}, pipeline_spec_pb2.PlatformSpec())
    return specs[0], platforms[0] if platforms else {}


def parse_spec(document: Mapping[str, Any]) -> None:
    """Refuse what is no IR of schema 2.1.0 with a name and a root."""
    spec = pipeline_spec_pb2.PipelineSpec()
    try:
        json_format.ParseDict(dict(document), spec)
    except json_format.ParseError as error:
        raise Refused(400, f"Invalid input error: invalid v2 pipeline spec: {error}") from None
    if spec.schema_version != "2.1.0" or not spec.HasField("root") or not spec.pipeline_info.name:
        raise Refused(400, "Invalid input error: invalid v2 pipeline spec: schema version, root or name")


def check_parameters(spec: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Hold a run's parameters to the graph's inputs."""
    inputs = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, declared in inputs.items():
        if name not in given:
            if not declared.get("isOptional") and "defaultValue" not in declared:
                raise Refused(
                    400, f"parameter {name} is not optional, yet has neither default value nor user provided value"
                )
            continue
        kind, value = declared["parameterType"], given[name]
        if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise Refused(400, f"input parameter {name} requires type {kind}, but the parameter value is {value!r}")
    unknown = sorted(set(given) - set(inputs))
    if unknown:
        raise Refused(400, f"parameter(s) provided are not required by pipeline: {', '.join(unknown)}")
    if any(len(str(value)) > 10_000 for value in given.values()):
        raise Refused(400, "Invalid input error: the input parameter length exceed maximum size of 10000.")


def check_trigger(trigger: Mapping[str, Any]) -> None:
    """Read a schedule as robfig/cron does: six fields."""
    if set(trigger) not in ({"cron_schedule"}, {"periodic_schedule"}):
        raise Refused(400, "Invalid input error: exactly one of cron_schedule and periodic_schedule is needed")
    if "cron_schedule" not in trigger:
        return
    cron = str(trigger["cron_schedule"].get("cron", ""))
    words = cron.split()
    if len(words) != len(CRON) or not all(_is_field(w, *limits) for w, limits in zip(words, CRON, strict=True)):
        raise Refused(
            400, f"Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron): {cron!r}"
        )


def _is_field(word: str, low: int, high: int) -> bool:
    for part in word.lower().split(","):
        found = re.fullmatch(r"(\*|\?|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if found is None:
            return False
        ends = [int(e) if e.isdigit() else NAMES.get(e, -1) for e in found.groups()[:2] if e and e not in "*?"]
        if not all(low <= end <= high for end in ends):
            return False
    return True
