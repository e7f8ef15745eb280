"""The walk along the hash chain: entry by entry, each with its prediction, up to the first that was tampered with.

It reads pages of rows, so that it needs the same memory for a thousand predictions as for a hundred million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Select, and_, exists, func, select

from components.records.chain import ERASURE, PREDICTION, RETENTION, Head, entry_hash
from components.records.checkpoints import first_to_check
from components.records.erased import BLANK, left_over, remains_digest
from components.records.payload import COLUMNS, body_digest, payload_digest
from components.records.tables import audit_chain, ml_predictions
from components.records.verdict import Verdict

PAGE = 2000
_SAMPLE, _FEW = 5, 2
"""Where all entries around fail, and they are more than a few, the key is another one."""


class Broken(Exception):
    """The walk's end: which entry, and what is wrong with it."""

    def __init__(self, seq: int, problem: str) -> None:
        super().__init__(problem)
        self.seq, self.problem = seq, problem


class Walk:
    """One walk.

    Parameters
    ----------
    connection : Connection
        All of whose reads see one state.
    key : bytes
        The audit key.
    verdict : Verdict
        Filled on the way.
    anchors : list of Head
    top : Head
        The chain's last entry.
    """

    def __init__(self, connection: Connection, key: bytes, verdict: Verdict, anchors: list[Head], top: Head) -> None:
        self.connection, self.key, self.verdict, self.top = connection, key, verdict, top
        self.wanted = {anchor.seq: anchor.hash for anchor in anchors}
        self._contradicting(anchors)

    def run(self, first: int | None, last: int | None) -> None:
        """Walk from one entry to another; raise :class:`Broken` where something is wrong."""
        previous = self._begin(first)
        end = min(last, self.top.seq) if last is not None else self.top.seq
        self.verdict.first = previous.seq + 1
        for row in self._rows(previous.seq, end):
            previous = self._entry(row, previous)
        self.verdict.last, self.verdict.head = previous
        if previous.seq < end:
            raise Broken(previous.seq + 1, f"entries {previous.seq + 1} to {end} are missing")
        if last is None or last >= self.top.seq:
            self._ends(previous)
        self._strangers(first, last)

    def _begin(self, first: int | None) -> Head:
        start = first_to_check(self.connection, self.key)
        if isinstance(start, str):
            raise Broken(0, start)
        self.begun = start
        wanted = self.wanted.pop(start.seq, start.hash)
        if wanted != start.hash:
            raise Broken(start.seq, f"the anchor of entry {start.seq} and the checkpoint there contradict each other")
        if start.seq:
            self.verdict.notes.append(self._retained(start))
        if first is None or first <= start.seq + 1:
            return start
        row = self.connection.execute(select(audit_chain).where(audit_chain.c.seq == first - 1)).mappings().first()
        if row is None:
            raise Broken(first - 1, f"entry {first - 1} is missing")
        self._hash(row, row["previous_hash"])
        return Head(row["seq"], row["hash"])

    def _retained(self, start: Head) -> str:
        """Say what was deleted by retention, and by which rule; whoever has the key could have chosen another rule."""
        where = (audit_chain.c.kind == RETENTION, audit_chain.c.reference == str(start.seq))
        body = self.connection.execute(select(audit_chain.c.body).where(*where)).scalar() or {}
        return f"entries up to {start.seq} were deleted by retention, as older than {body.get('older_than', '?')}"

    def _rows(self, after: int, end: int) -> Iterator[RowMapping]:
        while after < end:
            page = self._page(after, end)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["seq"]

    def _page(self, after: int, end: int) -> Sequence[RowMapping]:
        query = _page().where(audit_chain.c.seq > after, audit_chain.c.seq <= end).order_by(audit_chain.c.seq)
        try:
            return self.connection.execute(query.limit(PAGE)).mappings().all()
        except (ValueError, TypeError) as error:
            self._unreadable(after, end)
            raise Broken(after + 1, "an entry after this one cannot be read: it was changed") from error

    def _unreadable(self, after: int, end: int) -> None:
        """Find the entry whose row no longer holds what its columns can; SQLite lets anything be written there."""
        query = select(audit_chain.c.seq).where(audit_chain.c.seq > after, audit_chain.c.seq <= end)
        for seq in self.connection.execute(query.order_by(audit_chain.c.seq).limit(PAGE)).scalars().all():
            try:
                self.connection.execute(_page().where(audit_chain.c.seq == seq)).all()
            except (ValueError, TypeError) as error:
                raise Broken(seq, f"it, or its prediction, was changed: {type(error).__name__}") from error

    def _entry(self, row: RowMapping, previous: Head) -> Head:
        seq = row["seq"]
        if seq != previous.seq + 1:
            gone = f"entries {previous.seq + 1} to {seq - 1} are" if seq > previous.seq + 2 else f"entry {seq - 1} is"
            raise Broken(previous.seq + 1, f"{gone} missing: deleted")
        self._hash(row, previous.hash)
        if row["kind"] == PREDICTION:
            self._prediction(row)
        else:
            self._body(row)
        wanted = self.wanted.pop(seq, None)
        if wanted is not None and wanted != row["hash"]:
            raise Broken(
                seq, f"the anchor of entry {seq} says {wanted[:16]}…, the chain {row['hash'][:16]}…: rewritten"
            )
        self.verdict.anchors += wanted is not None
        self.verdict.entries += 1
        return Head(seq, row["hash"])

    def _hash(self, row: RowMapping, previous: str) -> None:
        """Check an entry's own hash, and say what kind of wrong it is."""
        if self._recomputed(row, previous) == row["hash"]:
            return
        seq = row["seq"]
        if self._recomputed(row, row["previous_hash"]) == row["hash"]:
            raise Broken(
                seq, "follows another entry than it was written after: one before it was replaced or reordered"
            )
        if self._another_key(seq):
            raise Broken(seq, "no entry fits the audit key: it is another one than the log was written with")
        if row["previous_hash"] != previous:
            raise Broken(seq, "was not written by this log: inserted, or moved here from another place")
        raise Broken(seq, f"the chain's entry for {row['kind']} {row['reference']} was changed, or inserted")

    def _recomputed(self, row: RowMapping, previous: str) -> str:
        return entry_hash(
            self.key, row["seq"], previous, row["kind"], row["at"], row["reference"], row["payload_digest"]
        )

    def _another_key(self, seq: int) -> bool:
        """Return whether the entries around fail alike, each after the one that it names."""
        near = audit_chain.c.seq.between(seq - _SAMPLE, seq + _SAMPLE)
        rows = self.connection.execute(select(audit_chain).where(near)).mappings().all()
        return len(rows) > _FEW and not any(self._sound(row) for row in rows)

    def _prediction(self, row: RowMapping) -> None:
        seq, name = row["seq"], row["reference"]
        if row["prediction_id"] is None:
            raise Broken(seq, f"prediction {name} was deleted")
        if row["chain_seq"] != seq:
            raise Broken(seq, f"prediction {name} says that it is entry {row['chain_seq']}")
        self.verdict.predictions += 1
        if row["erased_at"] is not None:
            self._erasure(row)
            return
        if row["salt"] is None:
            raise Broken(seq, f"prediction {name} was changed: its salt is gone")
        try:
            digest = payload_digest(cast("Mapping[str, Any]", row))
        except (ValueError, TypeError) as error:
            raise Broken(seq, f"prediction {name} was changed: {error}") from error
        if digest != row["payload_digest"]:
            raise Broken(seq, f"prediction {name} was changed")

    def _erasure(self, row: RowMapping) -> None:
        """Check that the chain itself says that a prediction was erased, and that what remains is as it was then."""
        self.verdict.erased += 1
        seq, name = row["seq"], row["reference"]
        where = (audit_chain.c.kind == ERASURE, audit_chain.c.reference == name, audit_chain.c.seq > seq)
        said = self.connection.execute(select(audit_chain).where(*where).order_by(audit_chain.c.seq.desc())).mappings()
        last = next((entry for entry in said if self._sound(entry)), None)
        if last is None:
            raise Broken(seq, f"prediction {name} was emptied, and no erasure says so")
        self._body(last)
        if left := left_over(cast("Mapping[str, Any]", row)):
            raise Broken(seq, f"prediction {name} was erased, and holds {', '.join(left)} again")
        if (last["body"] or {}).get("remains") != remains_digest(cast("Mapping[str, Any]", row)):
            raise Broken(seq, f"what remained of the erased prediction {name} was changed")

    def _body(self, entry: RowMapping) -> None:
        if body_digest(entry["body"] or {}) != entry["payload_digest"]:
            raise Broken(entry["seq"], f"the body of this {entry['kind']} entry was changed")

    def _sound(self, entry: RowMapping) -> bool:
        return bool(self._recomputed(entry, entry["previous_hash"]) == entry["hash"])

    def _contradicting(self, anchors: list[Head]) -> None:
        for anchor in anchors:
            if self.wanted[anchor.seq] != anchor.hash:
                raise Broken(anchor.seq, f"two anchors of entry {anchor.seq} contradict each other")

    def _ends(self, previous: Head) -> None:
        """Check that the chain reaches as far as the anchors say."""
        beyond = [seq for seq in self.wanted if seq > previous.seq]
        if beyond:
            raise Broken(
                previous.seq + 1,
                f"the chain ends at {previous.seq}, an anchor says it went on to {max(beyond)}: cut off",
            )
        before = sum(seq < self.begun.seq for seq in self.wanted)
        if before:
            self.verdict.notes.append(f"{before} anchors are of entries whose retention has ended")

    def _strangers(self, first: int | None, last: int | None) -> None:
        """Look for predictions that the chain does not know."""
        table = ml_predictions
        link = and_(audit_chain.c.kind == PREDICTION, audit_chain.c.reference == table.c.prediction_id)
        known = exists().where(link, audit_chain.c.seq == table.c.chain_seq)
        query = select(table.c.prediction_id, func.coalesce(table.c.chain_seq, 0))
        if first is not None or last is not None:
            span = (self.verdict.first, self.verdict.last)
            query = query.where(table.c.chain_seq.between(*span))
            known = known.where(audit_chain.c.seq.between(*span))
        query = query.where(~known)
        row = self.connection.execute(query.limit(1)).first()
        if row is not None:
            raise Broken(int(row[1]), f"prediction {row[0]} was inserted: the chain does not know it")


def _page() -> Select[Any]:
    """Return the query of entries with their predictions; the payload columns keep their names."""
    columns = [ml_predictions.c[name] for name in dict.fromkeys((*COLUMNS, *BLANK, "chain_seq", "erased_at"))]
    link = and_(audit_chain.c.kind == PREDICTION, ml_predictions.c.prediction_id == audit_chain.c.reference)
    return select(audit_chain, *columns).select_from(audit_chain.outerjoin(ml_predictions, link))
