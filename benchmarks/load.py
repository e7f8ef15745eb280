"""Load generators: wrk for REST, h2load for gRPC, each a single pinned process with a fixed body."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Sample, percentile

PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux"}
"""Debian package of each program."""

DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""
LUA = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
{headers}
"""


def missing_programs() -> list[str]:
    """Return one line per missing program, naming the Debian package that has it."""
    return [f"{name} is missing: apt-get install {pkg}" for name, pkg in PACKAGES.items() if not shutil.which(name)]


def wrk(url: str, body: bytes, headers: dict[str, str], concurrency: int, seconds: int, core: int) -> Sample:
    """Send ``body`` over ``concurrency`` connections as fast as answers come.

    ``errors`` counts answers that are not 2xx or 3xx, refused connections and time-outs.
    """
    with TemporaryDirectory() as scratch:
        payload, script = Path(scratch, "body"), Path(scratch, "script.lua")
        payload.write_bytes(body)
        lines = "\n".join(f'wrk.headers["{k}"] = "{v}"' for k, v in headers.items())
        script.write_text(LUA.format(body=payload, headers=lines) + DONE, encoding="utf-8")
        options = ["-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        return parse_wrk(run(["taskset", "-c", str(core), "wrk", *options, url], seconds))


def parse_wrk(output: str) -> Sample:
    """Read the line that the script's ``done`` prints: counts, then microseconds."""
    match = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if not match:
        raise ValueError(f"wrk printed no result: {output[-400:]}")
    requests, duration, errors, p50, p95, p99 = map(int, match.groups())
    return Sample(requests / duration * 1e6, p50 / 1e3, p95 / 1e3, p99 / 1e3, requests, errors)


def h2load(url: str, message: bytes, answer_bytes: int, concurrency: int, seconds: int, core: int) -> Sample:
    """Send one gRPC message over ``concurrency`` connections as fast as answers come.

    Parameters
    ----------
    message : bytes
        Serialised request, without its frame.
    answer_bytes : int
        Length of a good answer's message. gRPC reports failures in a trailer that h2load does not read, but a failed
        call carries no message: answers that are missing from the received data count as errors.
    """
    with TemporaryDirectory() as scratch:
        payload, log = Path(scratch, "body"), Path(scratch, "log")
        payload.write_bytes(frame(message))
        options = ["-t1", f"-c{concurrency}", "-m1", f"-D{seconds}", f"--log-file={log}", "-d", str(payload)]
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        output = run(["taskset", "-c", str(core), "h2load", *options, *headers, url], seconds)
        return parse_h2load(output, log.read_text(encoding="utf-8"), answer_bytes + 5)


def parse_h2load(output: str, log: str, answer_bytes: int) -> Sample:
    """Read h2load's summary and its log of (start, status, microseconds) per request."""
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", output)
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    data = re.search(r"\((\d+)\) data", output)
    if not rate or not counts or not data:
        raise ValueError(f"h2load printed no result: {output[-400:]}")
    done, succeeded, failed, errored, timeout = map(int, counts.groups())
    full_answers = min(done, round(int(data[1]) / answer_bytes))
    times = [int(line.split("\t")[2]) / 1e3 for line in log.splitlines()]
    errors = max(failed + errored + timeout, succeeded - full_answers)
    if not times:
        return Sample(0.0, 0.0, 0.0, 0.0, 0, max(1, errors))
    p50, p95, p99 = (percentile(times, q) for q in (50, 95, 99))
    return Sample(float(rate[1]), p50, p95, p99, full_answers, errors)


def frame(message: bytes) -> bytes:
    """Return a gRPC length-prefixed message, uncompressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def run(command: list[str], seconds: int) -> str:
    """Run a load generator and return what it printed.

    Raises
    ------
    ValueError
        If it fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise ValueError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout
