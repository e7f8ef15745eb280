"""Measures the predictor against MLServer and a naive kserve custom model, with the same models, in one run.

    python benchmarks/serving.py                                 # about ten minutes; prints Markdown
    python benchmarks/serving.py --quick                         # the shape of it, in a minute and a half
    python benchmarks/serving.py --write docs/performance.md     # puts the tables into the document

Each server is one process on one core, the load generator has the other. Answers are compared before anything is timed.
Rounds alternate between the servers, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # as a script, sys.path starts with this folder, whose modules are benchmarks.*
os.environ["ARTHAFLOW_MODEL_PATH"] = os.pathsep.join(
    dict.fromkeys([str(ROOT / "benchmarks" / "rooms"), *filter(None, [os.environ.get("ARTHAFLOW_MODEL_PATH")])])
)

import numpy as np  # noqa: E402

from benchmarks import load, payloads  # noqa: E402
from benchmarks.document import render  # noqa: E402
from benchmarks.models import build, dataset  # noqa: E402
from benchmarks.report import OURS, Footprint, Results, Sample, replace_block  # noqa: E402
from benchmarks.servers import BENCH_PYTHON, SERVERS, Server, requested_outputs  # noqa: E402
from benchmarks.workloads import WORKLOADS, Case, Workload, cases  # noqa: E402

BUILDERS = {
    "REST JSON": payloads.json_request,
    "REST binary": payloads.binary_request,
    "gRPC": payloads.grpc_request,
}
TOLERANCE = 1e-4
"""Largest allowed absolute difference of answers; predictions are of the order of one to twenty."""


@dataclass(frozen=True)
class Plan:
    """How long, how often, and on which cores."""

    seconds: int
    rounds: int
    server_core: int
    load_core: int


def main() -> None:
    """Parse the command line, measure, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4, help="of a main case; the others take half")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of one second, main cases only")
    parser.add_argument("--only", default="", help="workloads, for example W1,W3")
    parser.add_argument("--servers", default="", help=f"of {', '.join(SERVERS)}")
    parser.add_argument("--cores", default="0,1", help="of the server and of the load generator")
    parser.add_argument("--home", type=Path, default=ROOT / ".arthaflow" / "benchmarks", help="where models are kept")
    parser.add_argument("--write", type=Path, help="document whose block is replaced")
    arguments = parser.parse_args()

    _check_machine()
    servers = [s for s in SERVERS if not arguments.servers or s in arguments.servers.split(",")]
    workloads = [w for w in WORKLOADS if not arguments.only or w.key in arguments.only.split(",")]
    server_core, load_core = map(int, arguments.cores.split(","))
    quick = arguments.quick
    plan = Plan(1 if quick else arguments.seconds, 1 if quick else arguments.rounds, server_core, load_core)
    chosen = {w.key: [c for c in cases(w) if c.main or not quick] for w in workloads}

    results = Results()
    for workload in workloads:
        measure(workload, chosen[workload.key], servers, plan, arguments.home.resolve(), results)
    block = render(results, chosen, workloads, servers, plan.seconds, plan.rounds)
    if arguments.write:
        document = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(replace_block(document, block), encoding="utf-8")
        _say(f"wrote {arguments.write}")
    else:
        print(block)


def measure(
    workload: Workload, chosen: list[Case], servers: list[str], plan: Plan, home: Path, results: Results
) -> None:
    """Start every server with one model, compare their answers, then time them in alternating rounds."""
    _say(f"{workload.key}: {workload.title}")
    built = build(workload, home)
    inputs = dataset(workload).inputs[workload.input]
    with ExitStack() as stack, TemporaryDirectory() as scratch:
        running: dict[str, Server] = {}
        ready_mb: dict[str, float] = {}
        for name in servers:
            server = stack.enter_context(Server(name, workload, built, Path(scratch), plan.server_core))
            running[name], ready_mb[name] = server, server.resident_mb
            _say(f"  {name}: ready in {server.ready_s:.1f} s, {server.resident_mb:.0f} MB")
        sizes = {case: _compare(case, running, inputs, results) for case in chosen}
        for number in range(plan.rounds):
            for case in chosen:
                for name, server in running.items():
                    if (name, case) in results.refused:
                        continue
                    sample = _time(case, server, inputs[: case.rows], sizes[case][name], plan, warm_up=number == 0)
                    results.samples.setdefault((name, case), []).append(sample)
                    what = f"{case.transport} x{case.rows} c{case.concurrency} {name}"
                    _say(f"  {what}: {sample.rate:,.0f}/s, {sample.errors} errors")
        for name, server in running.items():
            footprint = Footprint(server.ready_s, ready_mb[name], server.resident_mb)
            results.footprints[name, workload.key] = footprint


def _request(case: Case, server: str, rows: payloads.FloatArray) -> payloads.Request:
    outputs = requested_outputs(server, case.workload)
    return BUILDERS[case.transport](case.workload.model, case.workload.input, rows, outputs)


def _compare(case: Case, running: dict[str, Server], inputs: payloads.FloatArray, results: Results) -> dict[str, int]:
    """Ask every server once with the very bytes of the load; return the answers' lengths."""
    answers: dict[str, payloads.FloatArray] = {}
    sizes: dict[str, int] = {}
    for name, server in running.items():
        request = _request(case, name, inputs[: case.rows])
        try:
            answers[name], sizes[name] = payloads.ask(server.http_port, server.grpc_port, case.transport, request)
        except ValueError as error:
            results.refused[name, case] = "not supported" if case.transport == "REST binary" else "**failed**: refused"
            _say(f"  {name} refuses {case.transport}, {case.rows} rows: {error}")
    for name, answer in answers.items():
        if name == OURS or OURS not in answers:
            continue
        difference = float(np.abs(answer - answers[OURS]).max()) if answer.shape == answers[OURS].shape else np.inf
        results.differences[name, case] = difference
        if not difference <= TOLERANCE:
            results.refused[name, case] = f"**failed**: answers differ by {difference:.1e}"
    return sizes


def _time(case: Case, server: Server, rows: payloads.FloatArray, size: int, plan: Plan, warm_up: bool) -> Sample:
    request = _request(case, server.name, rows)
    seconds = plan.seconds if case.main else max(1, plan.seconds // 2)
    host = f"http://127.0.0.1:{server.grpc_port if case.transport == 'gRPC' else server.http_port}"

    def run(duration: int) -> Sample:
        if case.transport == "gRPC":
            return load.h2load(host + request.path, request.body, size, case.concurrency, duration, plan.load_core)
        return load.wrk(host + request.path, request.body, request.headers, case.concurrency, duration, plan.load_core)

    if warm_up:
        run(1)
    return run(seconds)


def _check_machine() -> None:
    problems = load.missing_programs()
    if not BENCH_PYTHON.exists():
        problems.append(
            f"{BENCH_PYTHON} is missing: run `make bench`, which installs requirements/bench.txt into .venv-bench"
        )
    if len(os.sched_getaffinity(0)) < 2:
        problems.append("two cores are needed, one for the server and one for the load")
    if problems:
        raise SystemExit("\n".join(problems))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
