"""What one process keeps: bounds that hold, versions, tags, and the form in Redis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.gateway.cache.entry import CacheEntry
from inference.gateway.cache.memory import OVERHEAD, VERSIONS, Shelf

NOW = 1_000_000.0


def entry(
    value: bytes = b"v", version: str = "1", at: float = NOW, ttl: float = 60, stale: float = 0, tag: str = ""
) -> CacheEntry:
    return CacheEntry(value, version, at, at + ttl, at + ttl + stale, 0.1, tag)


def shelf(most: int = 100, most_bytes: int = 10**6) -> tuple[Shelf, list[int]]:
    evicted: list[int] = []
    return Shelf(most, most_bytes, evicted.append), evicted


def test_the_least_recently_used_answer_gives_way() -> None:
    kept, evicted = shelf(most=3)
    for name in (b"a", b"b", b"c"):
        kept.put(name, entry(name))
    assert kept.get("1", b"a", NOW) is not None
    kept.put(b"d", entry())
    assert [kept.get("1", name, NOW) is not None for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert evicted == [1]


def test_the_bound_in_bytes_holds_too_and_one_that_is_too_large_displaces_nobody() -> None:
    kept, _ = shelf(most_bytes=3 * (OVERHEAD + 102))
    for number in range(10):
        kept.put(b"%d" % number, entry(b"x" * 100))
        assert kept.size <= kept.most_bytes
    assert kept.entries == 3
    kept.put(b"large", entry(b"x" * 10_000))
    assert (kept.entries, kept.get("1", b"large", NOW)) == (3, None)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from("123"), st.sampled_from(["", "u", "w"]), st.integers(0, 99)))
)
def test_counts_agree_with_what_is_kept_after_any_history(history: list[tuple[int, str, str, int]]) -> None:
    kept, _ = shelf(most=8)
    for step, (key, version, tag, size) in enumerate(history):
        kept.put(b"%d" % key, entry(b"x" * size, version, NOW + step, tag=tag))
        held = [e for slot in kept._slots.values() for e in slot]
        assert kept.entries == len(held) <= 8
        assert kept.size == sum(e.size + OVERHEAD for e in held)
        assert {t: len(keys) for t, keys in kept._tags.items()} == {
            t: sum(any(e.tag == t for e in slot) for slot in kept._slots.values())
            for t in {e.tag for e in held if e.tag}
        }


def test_an_answer_serves_its_own_version_while_it_is_fresh() -> None:
    kept, _ = shelf()
    kept.put(b"k", entry(ttl=60, stale=30))
    assert kept.get("1", b"k", NOW + 59) is not None
    assert kept.get("2", b"k", NOW + 59) is None
    assert kept.get("1", b"k", NOW + 60) is None
    assert kept.newest(b"k", NOW + 89) is not None
    assert kept.newest(b"k", NOW + 90) is None


def test_of_several_versions_the_newest_stands_in() -> None:
    kept, _ = shelf()
    for number in (2, 3, 1, 4, 5):
        kept.put(b"k", entry(b"%d" % number, str(number), NOW + number))
    found = kept.newest(b"k", NOW + 10)
    assert found is not None
    assert found.value == b"5"
    assert kept.entries == VERSIONS


def test_a_new_version_drops_what_cannot_stand_in() -> None:
    kept, _ = shelf()
    kept.put(b"a", entry(version="1"))
    kept.put(b"b", entry(version="1", stale=600))
    kept.put(b"c", entry(version="2"))
    assert kept.drop_others("2") == 1
    assert [kept.newest(name, NOW) is not None for name in (b"a", b"b", b"c")] == [False, True, True]


def test_a_tag_takes_its_answers_along_and_no_others() -> None:
    kept, _ = shelf()
    kept.put(b"a", entry(tag="ann"))
    kept.put(b"b", entry(tag="bob"))
    kept.put(b"a", entry(version="2", tag="bob"))
    assert kept.drop_tag("ann") == 1
    assert kept.get("2", b"a", NOW) is not None
    assert kept.drop_tag("ann") == 0
    assert (kept.clear(), kept.entries, kept.size) == (2, 0, 0)


@given(
    st.binary(max_size=99),
    st.text(max_size=9),
    st.text(max_size=9),
    st.floats(0, 1e10),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_redis_gives_back_what_it_was_given(
    value: bytes, version: str, tag: str, at: float, ttl: float, stale: float
) -> None:
    given_ = CacheEntry(value, version, at, at + ttl, at + ttl + stale, 0.25, tag)
    assert CacheEntry.decode(given_.encode()) == given_


def test_what_another_release_wrote_is_no_answer() -> None:
    data = entry(b"value", "1", tag="t").encode()
    assert [CacheEntry.decode(d) for d in (b"", b"other", data[:20], data[:37], b"AFC2" + data[4:])] == [None] * 5


def test_lives_differ_so_that_answers_of_one_moment_do_not_end_together() -> None:
    ends = {CacheEntry.make(b"", "1", NOW, 3600, 600, 0.1).fresh_until for _ in range(50)}
    assert len(ends) > 25
    assert NOW + 0.9 * 3600 <= min(ends) <= max(ends) <= NOW + 3600
    assert CacheEntry.make(b"", "1", NOW, 3600, 600, 0.1).kept_until == NOW + 4200


def test_an_early_renewal_is_likelier_the_nearer_the_end() -> None:
    made = entry(ttl=60)
    due = [sum(made.due(NOW + 60 - left) for _ in range(2000)) for left in (10.0, 0.2, 0.05, 0.0)]
    assert due[0] == 0
    assert 0 < due[1] < due[2] < due[3] == 2000
