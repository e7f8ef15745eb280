"""Measures the product API: what it adds to a direct V2 call, what it answers from its cache, what it holds.

    python benchmarks/gateway.py                               # about six minutes; prints Markdown
    python benchmarks/gateway.py --quick                       # the shape of it, in a minute
    python benchmarks/gateway.py --write docs/reliability.md   # puts the tables into the document

The gateway is one process on one core, with everything on: tokens are verified, limits counted, requests validated,
every prediction written to the journal and carried into the hash-chained log in SQLite by its child process, on that
core too. The predictor (W1: XGBoost, 300 trees) and the load generator share the other core. Direct and through the
gateway alternate, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # as a script, sys.path starts with this folder, whose modules are benchmarks.*
ROOMS = str(ROOT / "benchmarks" / "rooms")
os.environ["ARTHAFLOW_MODEL_PATH"] = os.pathsep.join(
    dict.fromkeys([ROOMS, *filter(None, [os.environ.get("ARTHAFLOW_MODEL_PATH")])])
)

import httpx  # noqa: E402

from benchmarks import load  # noqa: E402
from benchmarks.document import header_lines  # noqa: E402
from benchmarks.models import build  # noqa: E402
from benchmarks.report import OURS, Sample, replace_block  # noqa: E402
from benchmarks.servers import Server  # noqa: E402
from benchmarks.workloads import WORKLOADS  # noqa: E402
from inference.gateway.identity.local_issuer import LocalIssuer  # noqa: E402
from inference.ports import free_port  # noqa: E402

TREES = next(w for w in WORKLOADS if w.model == "bench_trees")
ROUTE = "/api/ml/bench/trees"
CONNECTIONS = 1000
OVERHEAD_MS, HITS_PER_S = 2.0, 2500.0

BODIES = """
local counter = {start}
local function row()
  counter = counter + 1
  local values = {{}}
  for i = 1, 30 do values[i] = string.format("%.6f", ((counter * (i + 7919) * 48271) % 1000003) / 1000003 * 8 - 4) end
  return table.concat(values, ",")
end
local headers = {{}}
headers["content-type"] = "application/json"
{authorization}
function request()
  return wrk.format("POST", nil, headers, {body})
end
"""
DIRECT = """'{"inputs":[{"name":"features","shape":[1,30],"datatype":"FP32","data":[' .. row() .. ']}]}'"""
PRODUCT = """'{"features":[' .. row() .. ']}'"""
SAME = """'{"features":[' .. fixed .. ']}'"""


@dataclass
class Gateway:
    """One running gateway."""

    folder: Path
    predictor: str
    core: int
    token: str = ""
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Gateway:
        self.port = free_port()
        models = self.folder / "models.json"
        models.write_text(json.dumps({"models": {TREES.model: {"url": self.predictor, "max_in_flight": 2048}}}))
        self.environment = {
            **os.environ,
            "ARTHAFLOW_HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "1000000000",
            "ARTHAFLOW_GATEWAY_MAX_IN_FLIGHT": "4096",
        }
        command = ["taskset", "-c", str(self.core), sys.executable, "-m", "inference.gateway"]
        command += ["--models", str(models), "--host", "127.0.0.1", "--port", str(self.port)]
        self.log = self.folder / "gateway.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()
        self.token = LocalIssuer(self.folder / "home").token("benchmark", "app", "premium")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def logged(self) -> int:
        """Return the number of predictions in the log's database."""
        import sqlite3

        with sqlite3.connect(self.folder / "home" / "records.db") as connection:
            return int(connection.execute("SELECT count(*) FROM ml_predictions").fetchone()[0])

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended: {self.log.read_text()[-1500:]}")
            try:
                if httpx.get(f"{self.url}/ready", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("the gateway did not become ready")


def ask(url: str, body: str, token: str, connections: int, seconds: int, core: int, start: int = 0) -> Sample:
    """Send bodies that a Lua expression makes, over so many connections."""
    authorization = f'headers["authorization"] = "Bearer {token}"' if token else ""
    fixed = ",".join("0.5" for _ in range(30))
    lua = BODIES.format(start=start, authorization=authorization, body=body) + f'fixed = "{fixed}"\n' + load.DONE
    with TemporaryDirectory() as scratch:
        script = Path(scratch) / "script.lua"
        script.write_text(lua, encoding="utf-8")
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        return load.parse_wrk(load.run(["taskset", "-c", str(core), "wrk", *options, url], seconds))


def overhead(gateway: Gateway, predictor: str, connections: int, plan: argparse.Namespace) -> dict[str, Any]:
    """Alternate direct calls and calls through the gateway, every body new; return medians over the rounds."""
    direct, through = [], []
    for i in range(plan.rounds):
        first = (i * 2 + connections * 1000) * 10_000_000
        url = f"{predictor}/v2/models/{TREES.model}/infer"
        direct.append(ask(url, DIRECT, "", connections, plan.seconds, 1, first))
        through.append(
            ask(gateway.url + ROUTE, PRODUCT, gateway.token, connections, plan.seconds, 1, first + 5_000_000)
        )
    middle = {
        name: [statistics.median(getattr(s, name) for s in side) for side in (direct, through)]
        for name in ("rate", "p50", "p95", "p99")
    }
    added = statistics.median(t.p95 - d.p95 for d, t in zip(direct, through, strict=True))
    return {**middle, "added_p95": added, "errors": sum(s.errors for s in direct + through)}


def rows(plan: argparse.Namespace, home: Path) -> list[str]:
    """Measure everything and return the Markdown."""
    built = build(TREES, home)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(Server(OURS, TREES, built, scratch, 1))
        predictor = f"http://127.0.0.1:{server.http_port}"
        gateway = stack.enter_context(Gateway(scratch, predictor, 0))
        ask(gateway.url + ROUTE, PRODUCT, gateway.token, 4, 1, 1, 1)  # warm
        misses = {c: overhead(gateway, predictor, c, plan) for c in (1, 4, 16)}
        ask(gateway.url + ROUTE, SAME, gateway.token, 1, 1, 1)
        before = gateway.logged()
        hits = [ask(gateway.url + ROUTE, SAME, gateway.token, 16, plan.seconds, 1) for _ in range(plan.rounds)]
        held = ask(gateway.url + ROUTE, SAME, gateway.token, CONNECTIONS, plan.hold, 1)
        wanted = before + sum(s.requests - s.errors for s in [*hits, held])
        drained = drain(gateway, wanted)
    return table(misses, hits, held, drained, plan)


def drain(gateway: Gateway, wanted: int) -> tuple[int, float]:
    """Wait until the log holds what was answered; return how many rows it has and how long it took after the load."""
    began = time.monotonic()
    while gateway.logged() < wanted and time.monotonic() - began < 180:
        time.sleep(0.5)
    return gateway.logged() - wanted, time.monotonic() - began


def table(
    misses: dict[int, dict[str, Any]],
    hits: list[Sample],
    held: Sample,
    drained: tuple[int, float],
    plan: argparse.Namespace,
) -> list[str]:
    """Return the tables."""
    lines = [
        "| every request new (cache miss) | direct V2: req/s, p50 / p95 / p99 ms | through the gateway | p95 added |"
    ]
    lines.append("|---|---|---|---:|")
    for connections, m in misses.items():
        sides = [f"{m['rate'][i]:,.0f}, {m['p50'][i]:.2f} / {m['p95'][i]:.2f} / {m['p99'][i]:.2f}" for i in (0, 1)]
        lines.append(f"| {connections} connection(s) | {sides[0]} | {sides[1]} | {m['added_p95']:.2f} ms |")
    rate, p95 = statistics.median(s.rate for s in hits), statistics.median(s.p95 for s in hits)
    missing, waited = drained
    errors = sum(s.errors for s in hits) + sum(m["errors"] for m in misses.values())
    one = misses[1]["added_p95"]
    lines += [
        "",
        "Cells: requests per second, p50 / p95 / p99 in ms.",
        "",
        "| | wanted | measured | |",
        "|---|---:|---:|---|",
        f"| added to a miss, p95, one connection | < {OVERHEAD_MS:g} ms | {one:.2f} ms | {_met(one < OVERHEAD_MS)} |",
        f"| hits, 16 connections, log included | >= {HITS_PER_S:,.0f}/s | {rate:,.0f}/s (p95 {p95:.1f} ms) "
        f"| {_met(rate >= HITS_PER_S)} |",
        f"| {CONNECTIONS:,} connections for {plan.hold} s | 0 errors | {held.errors} errors in {held.requests:,} "
        f"requests, {held.rate:,.0f}/s, p50 / p99 {held.p50:.0f} / {held.p99:.0f} ms | {_met(held.errors == 0)} |",
        f"| errors elsewhere | 0 | {errors} | {_met(errors == 0)} |",
        f"| answers without a row in the log | 0 | {max(0, -missing)} (complete {waited:.0f} s after the load) "
        f"| {_met(missing >= 0)} |",
    ]
    return lines


def _met(good: bool) -> str:
    return "met" if good else "**missed**"


def main() -> None:
    """Parse the command line, measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hold", type=int, default=60, help="seconds of the thousand connections")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--home", type=Path, default=ROOT / ".arthaflow" / "benchmarks", help="where models are kept")
    parser.add_argument("--write", type=Path, help="document whose block is replaced")
    plan = parser.parse_args()
    if plan.quick:
        plan.seconds, plan.rounds, plan.hold = 3, 1, 10
    missing = load.missing_programs()
    if missing:
        raise SystemExit("\n".join(missing))
    block = "\n".join([*header_lines(), "", *rows(plan, plan.home.resolve())])
    if plan.write:
        name = "benchmarks/gateway.py"
        plan.write.write_text(replace_block(plan.write.read_text(encoding="utf-8"), block, name), encoding="utf-8")
    print(block)


if __name__ == "__main__":
    main()
