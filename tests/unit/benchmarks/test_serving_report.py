"""The serving benchmark's arithmetic, parsing and tables."""

from __future__ import annotations

import pytest

from benchmarks.load import frame, missing_programs, parse_h2load, parse_wrk
from benchmarks.report import (
    BEGIN,
    END,
    KSERVE,
    MLSERVER,
    OURS,
    Footprint,
    Results,
    Sample,
    cell,
    footprint_table,
    load_table,
    percentile,
    ratio,
    replace_block,
    summarise,
    target_table,
    targets,
)
from benchmarks.workloads import WORKLOADS, cases

W1 = WORKLOADS[0]
CASES = cases(W1)
ONE, MANY = CASES[0], CASES[1]


def sample(rate: float, errors: int = 0) -> Sample:
    return Sample(rate, 1.0, 2.0, 3.0, 100, errors)


def results(ours: list[Sample], mlserver: list[Sample], kserve: list[Sample]) -> Results:
    return Results(samples={(OURS, ONE): ours, (MLSERVER, ONE): mlserver, (KSERVE, ONE): kserve})


def test_percentile_is_nearest_rank() -> None:
    values = list(range(100, 0, -1))
    assert [percentile(values, q) for q in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 50) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_summary_is_the_median_and_sums_errors() -> None:
    got = summarise([sample(10.0), sample(30.0, 1), sample(20.0, 2)])
    assert (got.rate, got.requests, got.errors) == (20.0, 300, 3)


def test_ratio_is_taken_round_by_round() -> None:
    # The machine halves its speed in the second round: each round's ratio is 10, the ratio of maxima is not.
    measured = results([sample(1000), sample(500)], [sample(100), sample(50)], [sample(10), sample(10)])
    assert ratio(measured, ONE, MLSERVER) == 10.0
    assert ratio(measured, ONE, KSERVE) == 75.0


@pytest.mark.parametrize("bad", [[sample(100, errors=1)], [], [sample(0.0)], [sample(1), sample(1)]])
def test_no_ratio_against_a_failed_peer(bad: list[Sample]) -> None:
    assert ratio(results([sample(1000)], bad, []), ONE, MLSERVER) is None


def test_a_failed_cell_says_so() -> None:
    measured = results([sample(1000, errors=2)], [sample(1234.5)], [])
    assert cell(measured, OURS, ONE) == "**failed**: 2 errors in 102"
    assert cell(measured, MLSERVER, ONE) == "1,234 (1.0 / 2.0 / 3.0)"
    assert cell(measured, KSERVE, ONE) == "not run"
    measured.refused[KSERVE, ONE] = "not supported"
    assert cell(measured, KSERVE, ONE) == "not supported"


def test_load_table_has_a_row_per_case_and_a_ratio_per_peer() -> None:
    measured = results([sample(1000)], [sample(50)], [sample(500)])
    measured.differences = {(MLSERVER, ONE): 1e-7, (KSERVE, ONE): 2e-7}
    lines = load_table(measured, CASES, (OURS, MLSERVER, KSERVE)).splitlines()
    assert len(lines) == 2 + len(CASES)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| 1 row, REST JSON |")
    assert lines[2].endswith("| 20.0x | 2.0x | 2.0e-07 |")
    assert lines[-1].startswith("| 1 row, REST JSON, one at a time | not run |")


def test_targets_are_met_missed_or_not_measured() -> None:
    measured = results([sample(1000)], [sample(100)], [sample(101)])
    measured.footprints[OURS, "W1"] = Footprint(3.9, 100.0, 230.0)
    found = targets(measured, {"W1": CASES}, [W1])
    assert [t.met for t in found] == [True, False, None, True, False]
    assert "| W1: under 220 MB after load | 230 MB | **missed** |" in target_table(found)
    assert "| 3.9 |" in footprint_table(measured, [W1], (OURS, MLSERVER))


def test_block_is_replaced_and_only_it() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = replace_block(document, "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replace_block(once, "new") == once
    with pytest.raises(ValueError, match="no block"):
        replace_block("nothing here", "new")


def test_wrk_output() -> None:
    got = parse_wrk("Running 2s test\n  200 requests in 2.00s\nRESULT 200 2000000 3 1500 9000 12000\n")
    assert got == Sample(100.0, 1.5, 9.0, 12.0, 200, 3)
    with pytest.raises(ValueError, match="connection refused"):
        parse_wrk("unable to connect: connection refused")


H2LOAD = """finished in 2.00s, 2.00 req/s, 1KB/s
requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
traffic: 1.2KB (1200) total, 300B (300) headers (space savings 50.00%), {data}B ({data}) data
"""
LOG = "1\t200\t1000\n2\t200\t2000\n3\t200\t3000\n4\t200\t4000\n"


def test_h2load_output() -> None:
    assert parse_h2load(H2LOAD.format(data=400), LOG, 100) == Sample(2.0, 2.0, 4.0, 4.0, 4, 0)


def test_h2load_counts_calls_that_failed_in_the_trailer() -> None:
    # HTTP says 200 four times; one call carried no message, so it failed in its trailer.
    assert parse_h2load(H2LOAD.format(data=300), LOG, 100).errors == 1


def test_grpc_frame() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert any("wrk is missing: apt-get install wrk" in line for line in missing_programs())
    assert any("h2load is missing: apt-get install nghttp2-client" in line for line in missing_programs())
