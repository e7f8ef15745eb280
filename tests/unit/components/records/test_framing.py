"""Framing: what was written comes back, and nothing else ever does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.records.framing import HEADER, MAGIC, frame, next_record, records

bodies = st.lists(st.tuples(st.sampled_from([b"P", b"S"]), st.binary(max_size=200)), max_size=6)


@given(bodies)
def test_records_come_back_as_they_were_written(told: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(frame(kind, body) for kind, body in told)
    assert [(each.kind, each.body) for each in records(data)] == told


@given(bodies, st.binary(min_size=1, max_size=60))
def test_what_follows_the_last_record_is_not_read_as_one(told: list[tuple[bytes, bytes]], tail: bytes) -> None:
    data = b"".join(frame(kind, body) for kind, body in told)
    assert [(each.kind, each.body) for each in records(data + tail[:-1] + b"\0")] == told


@given(st.binary(max_size=100), st.data())
def test_a_changed_bit_is_noticed(body: bytes, data: st.DataObject) -> None:
    whole = bytearray(frame(b"P", body))
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[place // 8] ^= 1 << place % 8
    assert list(records(bytes(whole))) == []


@pytest.mark.parametrize("cut", range(HEADER.size + 25))
def test_a_record_torn_at_any_byte_is_none(cut: int) -> None:
    whole, torn = frame(b"P", b"first"), frame(b"P", b'{"prediction_id":"second"'[:25])
    assert len(torn) == HEADER.size + 25
    assert [each.body for each in records(whole + torn[:cut])] == [b"first"]


def test_the_next_sound_record_after_damage_is_found() -> None:
    damaged = bytearray(frame(b"P", b"damaged " + MAGIC + b" with a magic inside"))
    damaged[-1] ^= 1
    assert next_record(bytes(damaged) + frame(b"P", b"sound"), 1) == len(damaged)
    assert next_record(bytes(damaged), 1) == -1
