"""Renders one run as Markdown: where and when, the targets, the tables."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.report import OURS, Results, footprint_table, load_table, target_table, targets
from benchmarks.workloads import Case, Workload

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("kserve", "onnxruntime", "xgboost", "scikit-learn", "torch", "numpy")


def render(
    results: Results,
    cases: Mapping[str, Sequence[Case]],
    workloads: Sequence[Workload],
    servers: Sequence[str],
    seconds: int,
    rounds: int,
) -> str:
    """Return the block that goes between the markers of ``docs/performance.md``."""
    parts = [
        _header(seconds, rounds),
        "### Targets",
        target_table(targets(results, cases, workloads)),
        "### Time to ready and memory after all load",
        footprint_table(results, workloads, servers),
    ]
    for workload in workloads:
        parts += [f"### {workload.key}: {workload.title}", load_table(results, cases[workload.key], servers)]
    return "\n\n".join(parts)


def header_lines() -> list[str]:
    """Return where and when a benchmark ran, as a Markdown list."""
    command = "python " + " ".join([str(Path(sys.argv[0]).resolve().relative_to(ROOT)), *sys.argv[1:]])
    return [
        f"- Command: `{command}`, {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}.",
        f"- Machine: {_processor()}, Python {platform.python_version()}.",
    ]


def _header(seconds: int, rounds: int) -> str:
    lines = [
        f"Versions: {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}; {_mlserver()}.",
        f"Each cell: requests per second (p50 / p95 / p99 in ms), median of {rounds} round(s) of {seconds} s"
        f" (half of that for the rows without a target), 16 connections unless the row says otherwise."
        f" The ratio columns are {OURS}'s rate over the peer's, taken round by round.",
    ]
    return "\n".join([*header_lines(), *(f"- {line}" for line in lines)])


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    dirty = git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance.md", ":!docs/reliability.md"
    )
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + (" with uncommitted changes" if dirty else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()


def _mlserver() -> str:
    command = [str(ROOT / ".venv-bench" / "bin" / "mlserver"), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return "MLServer not installed"
    return f"MLServer {done.stdout.strip().rsplit(' ', 1)[-1]}"
