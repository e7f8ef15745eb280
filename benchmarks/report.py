"""Pure functions from measurements to the text of ``docs/performance.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.workloads import Case, Workload

BEGIN, END = "<!-- benchmarks/serving.py: begin -->", "<!-- benchmarks/serving.py: end -->"
OURS, MLSERVER, KSERVE = "Arthaflow", "MLServer", "kserve"
MAX_READY_S, MAX_MEMORY_MB = 4.0, 220.0


@dataclass(frozen=True)
class Sample:
    """One timed run of the load generator.

    Attributes
    ----------
    rate : float
        Requests per second.
    p50, p95, p99 : float
        Milliseconds.
    requests, errors : int
        Answered requests, and how many of all were not answered well.
    """

    rate: float
    p50: float
    p95: float
    p99: float
    requests: int
    errors: int


@dataclass(frozen=True)
class Footprint:
    """Cost of one server with one model: seconds until ready, resident MB when ready and after all load."""

    ready_s: float
    ready_mb: float
    loaded_mb: float


@dataclass
class Results:
    """Everything that one run measured.

    Attributes
    ----------
    samples : mapping of (server, case) to list of Sample
        One per round; empty when the server failed the case, with the reason in ``refused``.
    differences : mapping of (server, case) to float
        Largest absolute difference of the answers from ours, checked before timing.
    """

    samples: dict[tuple[str, Case], list[Sample]] = field(default_factory=dict)
    refused: dict[tuple[str, Case], str] = field(default_factory=dict)
    differences: dict[tuple[str, Case], float] = field(default_factory=dict)
    footprints: dict[tuple[str, str], Footprint] = field(default_factory=dict)


def percentile(values: Iterable[float], q: float) -> float:
    """Return the nearest-rank percentile: the smallest value that at least ``q`` percent are not above.

    Examples
    --------
    >>> percentile([4.0, 1.0, 3.0, 2.0], 50), percentile([1.0], 99)
    (2.0, 1.0)
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values to take a percentile of")
    return ordered[max(0, -int(-len(ordered) * q // 100) - 1)]


def summarise(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure over the rounds; requests and errors are summed."""
    if not samples:
        raise ValueError("no samples to summarise")
    return Sample(
        *(median(getattr(s, name) for s in samples) for name in ("rate", "p50", "p95", "p99")),
        requests=sum(s.requests for s in samples),
        errors=sum(s.errors for s in samples),
    )


def ratio(results: Results, case: Case, peer: str) -> float | None:
    """Return our requests per second over a peer's; None unless both answered without an error.

    Rounds alternate between the servers, so the ratio is taken round by round and its median returned: a machine that
    slows down for a while slows both.
    """
    ours, theirs = results.samples.get((OURS, case), []), results.samples.get((peer, case), [])
    if not ours or len(ours) != len(theirs) or any(s.errors or not s.rate for s in [*ours, *theirs]):
        return None
    return median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def cell(results: Results, server: str, case: Case) -> str:
    """Return ``rate (p50 / p95 / p99)``, or why there is none."""
    if (server, case) in results.refused:
        return results.refused[server, case]
    samples = results.samples.get((server, case))
    if not samples:
        return "not run"
    s = summarise(samples)
    if s.errors:
        return f"**failed**: {s.errors} errors in {s.requests + s.errors}"
    return f"{s.rate:,.0f} ({_ms(s.p50)} / {_ms(s.p95)} / {_ms(s.p99)})"


def load_table(results: Results, cases: Sequence[Case], servers: Sequence[str]) -> str:
    """Return the Markdown table of one workload: a row per case."""
    peers = [s for s in servers if s != OURS]
    head = ["request", *servers, *(f"{OURS} / {p}" for p in peers), "max difference"]
    lines = [_row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    for case in cases:
        noun = "row" if case.rows == 1 else "rows"
        name = f"{case.rows} {noun}, {case.transport}"
        name += "" if case.concurrency > 1 else ", one at a time"
        differences = [results.differences[p, case] for p in peers if (p, case) in results.differences]
        ratios = [_times(ratio(results, case, p)) for p in peers]
        difference = f"{max(differences):.1e}" if differences else "-"
        lines.append(_row([name, *(cell(results, s, case) for s in servers), *ratios, difference]))
    return "\n".join(lines)


def footprint_table(results: Results, workloads: Sequence[Workload], servers: Sequence[str]) -> str:
    """Return the Markdown table of start-up time and memory."""
    lines = [_row(["model", *(f"{s}: ready s" for s in servers), *(f"{s}: MB" for s in servers)])]
    lines.append(_row(["---"] + ["---:"] * (2 * len(servers))))
    for w in workloads:
        prints = [results.footprints.get((s, w.key)) for s in servers]
        ready = [f"{p.ready_s:.1f}" if p else "-" for p in prints]
        lines.append(_row([f"{w.key}", *ready, *(f"{p.loaded_mb:.0f}" if p else "-" for p in prints)]))
    return "\n".join(lines)


@dataclass(frozen=True)
class Target:
    """One promise and what was measured; ``met`` is None where it could not be measured."""

    text: str
    measured: str
    met: bool | None


def targets(results: Results, cases: Mapping[str, Sequence[Case]], workloads: Sequence[Workload]) -> list[Target]:
    """Hold the measurements against the issue's targets."""
    found: list[Target] = []
    for w in workloads:
        main = [c for c in cases[w.key] if c.main]
        for case in main:
            few = case.rows == 1
            for peer in (MLSERVER, KSERVE) if few else (MLSERVER,):
                want, got = (w.few_target if few else w.many_target), ratio(results, case, peer)
                rows = "one row" if few else f"{case.rows} rows"
                text = f"{w.key}, {rows} over REST: at least {want:g}x {peer}"
                found.append(Target(text, _times(got), None if got is None else got >= want))
        print_ = results.footprints.get((OURS, w.key))
        if print_:
            ready = Target(
                f"{w.key}: ready in under {MAX_READY_S:g} s", f"{print_.ready_s:.1f} s", print_.ready_s < MAX_READY_S
            )
            found.append(ready)
            if w.tabular:
                met = print_.loaded_mb < MAX_MEMORY_MB
                found.append(
                    Target(f"{w.key}: under {MAX_MEMORY_MB:g} MB after load", f"{print_.loaded_mb:.0f} MB", met)
                )
    return found


def target_table(found: Sequence[Target]) -> str:
    """Return the Markdown table of the targets."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    return "\n".join(
        [_row(["target", "measured", ""]), _row(["---", "---:", "---"])]
        + [_row([t.text, t.measured, words[t.met]]) for t in found]
    )


def replace_block(document: str, block: str, name: str = "benchmarks/serving.py") -> str:
    """Put ``block`` between a benchmark's two markers in a document.

    Raises
    ------
    ValueError
        If the document lacks one of the markers.
    """
    first, last = (marker.replace("benchmarks/serving.py", name) for marker in (BEGIN, END))
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document has no block between {first!r} and {last!r}")
    return f"{before}{first}\n\n{block.strip()}\n\n{last}{after}"


def _row(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}x" if value < 100 else f"{value:.0f}x"
