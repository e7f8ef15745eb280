"""Reading a journal: a torn tail at any byte is cut, an unfinished one is waited for, segments follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from components.records.framing import frame
from components.records.journal import Journal, Position, segment_path
from components.records.segments import Segments, alive, claim
from tests.support.prediction_log import entry

FIRST, SECOND = (frame(b"P", orjson.dumps(entry(prediction_id=name))) for name in ("first", "second"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path)
    made.append([FIRST])
    yield made
    made.close()


@pytest.fixture
def segments(journal: Journal) -> Segments:
    found = claim(journal.home)
    assert found is not None
    return found


def test_a_record_torn_at_any_byte_is_cut(journal: Journal, segments: Segments) -> None:
    for cut in range(len(SECOND)):
        segment_path(journal.home, 1).write_bytes(FIRST + SECOND[:cut])
        read = segments.read(Position(1, 0), alive=False)
        assert [orjson.loads(each.body)["prediction_id"] for each in read.records] == ["first"]
        rest = segments.read(read.end, alive=False)
        assert (rest.records, rest.end) == ([], Position(1, len(FIRST) + cut))
    assert segments.quarantine.count == 0


def test_zeros_that_a_power_cut_leaves_are_cut(journal: Journal, segments: Segments) -> None:
    segment_path(journal.home, 1).write_bytes(FIRST + bytes(4096))
    assert len(segments.read(Position(1, 0), alive=False).records) == 1
    assert segments.read(Position(1, len(FIRST)), alive=False).end == Position(1, len(FIRST) + 4096)
    assert segments.quarantine.count == 0


def test_what_is_still_being_written_is_waited_for(journal: Journal, segments: Segments) -> None:
    place = Position(1, len(FIRST))
    segment_path(journal.home, 1).write_bytes(FIRST + SECOND[:-1])
    assert segments.read(place, alive=True).end == place
    segment_path(journal.home, 1).write_bytes(FIRST + SECOND)
    assert len(segments.read(place, alive=True).records) == 1


def test_a_record_longer_than_a_chunk_is_read_whole(journal: Journal, segments: Segments) -> None:
    body = orjson.dumps("x" * 3_000_000)
    journal.append([frame(b"P", body)])
    read = segments.read(Position(1, 0), alive=True)
    read = segments.read(read.end, alive=True)
    assert [each.body for each in read.records] == [body]


def test_segments_follow_each_other_and_are_deleted(journal: Journal, segments: Segments) -> None:
    assert journal.turn()
    assert not journal.turn()
    journal.append([SECOND])
    first = segments.read(Position(1, 0), alive=True)
    assert (first.end, len(first.records)) == (Position(1, len(FIRST)), 1)
    second = segments.read(first.end, alive=True)
    assert second.end == Position(2, len(SECOND))
    segments.forget(second.end)
    assert segments.numbers() == [2]
    assert journal.written - journal.bytes_before(second.end) == 0


def test_one_reader_only(journal: Journal, segments: Segments) -> None:
    assert claim(journal.home) is None
    assert alive(journal.home)


def test_a_dead_writer_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    assert not alive(journal.home)
