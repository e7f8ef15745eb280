"""check_bars: what document 2 asks of data before anything is learned from them.

Order matters: structure, completeness, rules of a single bar, duplicates, the future, gaps, jumps, staleness. Broken
rows are taken out with a reason; short gaps (theirs included) are forward-filled and flagged; extreme moves are
flagged and kept, because markets do that. When too much is wrong, the file is rejected as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from components.data.bars import COLUMNS, SESSION_CLOSE, VALUES, tidy
from components.data.calendars import last_known
from components.data.gaps import fill_gaps, find_gaps
from components.data.jumps import extreme_changes, silent_moves, split_like
from components.data.limits import LIMITS, Limits
from components.data.quality_report import BarsRejected, QualityCheck, QualityReport, Status
from components.data.rules import broken_rows

REJECTED = ("row", *COLUMNS, "reason")
FLAGGED = ("entity", "timestamp", "flag", "detail")
NAMED = 3


def check_bars(
    frame: pd.DataFrame,
    *,
    bar: str = "1d",
    as_of: pd.Timestamp | str | None = None,
    calendar: str = "XNYS",
    limits: Limits = LIMITS,
) -> QualityReport:
    """Check bars, repair what may be repaired, and report.

    Parameters
    ----------
    frame : DataFrame
        A bars frame as :func:`components.data.sources.load_bars` returns it; may hold missing values and broken rows.
    bar : str
        Length of a bar.
    as_of : Timestamp or str, optional
        Now, in UTC: bars after it are taken out, and staleness is counted up to it. None checks neither.
    calendar : str
        Exchange whose sessions daily bars should have, by its name in exchange-calendars.
    limits : Limits
        Thresholds.

    Returns
    -------
    QualityReport
        ``accepted`` goes on to the features.

    Raises
    ------
    BarsRejected
        A :class:`~components.errors.DataRejected` that carries the report, when a check failed.
    """
    run = _Run(bar, calendar, limits, None if as_of is None else _utc(as_of))
    run.structure(frame)
    run.bars = frame.loc[:, list(COLUMNS)].reset_index(drop=True)
    run.bars["row"] = run.bars.index
    run.total = len(run.bars)
    run.completeness()
    run.single_bars()
    run.duplicates()
    run.future()
    run.bad_share()
    run.enough()
    run.gaps()
    run.jumps()
    run.staleness()
    return run.report()


@dataclass
class _Run:
    """One pass over a frame: each method is one check, and takes out, flags or fails."""

    bar: str
    calendar: str
    limits: Limits
    as_of: pd.Timestamp | None
    bars: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))
    total: int = 0
    taken: list[pd.DataFrame] = field(default_factory=list)
    flags: list[pd.DataFrame] = field(default_factory=list)
    checks: list[QualityCheck] = field(default_factory=list)

    def structure(self, frame: pd.DataFrame) -> None:
        rule = f"columns {', '.join(COLUMNS)}; at least one row"
        missing = [name for name in COLUMNS if name not in frame]
        if missing:
            self._fail("structure", rule, f"column {missing[0]!r} is missing; there are {', '.join(map(str, frame))}")
        if frame.empty:
            self._fail("structure", rule, "there are no rows")
        for name in VALUES:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                self._fail("structure", rule, f"column {name!r} holds {frame[name].dtype}, not numbers")
        self._note("structure", rule, "passed", f"{len(frame):,} rows")

    def completeness(self) -> None:
        rule = f"at most {self.limits.max_missing:.0%} of a column missing; accepted rows have every price and volume"
        share = self.bars[list(VALUES)].isna().mean()
        detail = ", ".join(f"{name} {part:.2%}" for name, part in share[share > 0].items()) or "nothing is missing"
        if share.max() > self.limits.max_missing:
            self._fail(
                "completeness", rule, f"missing: {detail}", self._first(self.bars[list(VALUES)].isna().any(axis=1))
            )
        self._note("completeness", rule, "warning" if share.max() > 0 else "passed", detail)

    def single_bars(self) -> None:
        rule = "prices above 0, volume at least 0, low <= open, close <= high (pandera)"
        reasons = broken_rows(self.bars, self.limits)
        self._take_out(reasons)
        self._note(
            "bar rules", rule, "warning" if len(reasons) else "passed", _count(len(reasons), "broken row"), len(reasons)
        )

    def duplicates(self) -> None:
        rule = "one bar per security and time; equal copies are dropped, contradicting ones are all taken out"
        keys = ["entity", "timestamp"]
        copies = self.bars.duplicated([*keys, *VALUES])
        self._take_out(pd.Series("copy of an earlier row", index=self.bars.index[copies]))
        clash = self.bars.duplicated(keys, keep=False)
        reasons = pd.Series(
            [f"contradicts another bar of {t}" for t in self.bars.loc[clash, "timestamp"]],
            index=self.bars.index[clash],
            dtype=object,
        )
        self._take_out(reasons)
        self.bars = self.bars.sort_values(keys, kind="stable").reset_index(drop=True)
        detail = f"{_count(int(copies.sum()), 'copy', 'copies')}, {_count(int(clash.sum()), 'contradicting row')}"
        status: Status = "warning" if copies.any() or clash.any() else "passed"
        self._note("duplicates", rule, status, detail, int(copies.sum() + clash.sum()))

    def future(self) -> None:
        if self.as_of is None:
            return
        late = self.bars["timestamp"] > self.as_of
        self._take_out(pd.Series(f"ends after {self.as_of}, when it was not known", index=self.bars.index[late]))
        status: Status = "warning" if late.any() else "passed"
        self._note("future", f"no bar ends after {self.as_of}", status, _count(int(late.sum()), "row"), int(late.sum()))

    def bad_share(self) -> None:
        rule = f"at most {self.limits.max_bad_rows:.1%} of the rows broken, contradicting or from the future"
        bad = sum((~t["reason"].str.startswith("copy")).sum() for t in self.taken)
        detail = f"{bad} of {self.total:,} ({bad / self.total:.2%})"
        if bad / self.total > self.limits.max_bad_rows:
            rejected = self._rejected()
            worst = rejected[~rejected["reason"].str.startswith("copy")].head(NAMED)
            named = "; ".join(f"row {r.row} ({r.entity}, {r.timestamp}): {r.reason}" for r in worst.itertuples())
            self._fail("bad rows", rule, f"{detail}: {named}{'; ...' if bad > NAMED else ''}")
        self._note("bad rows", rule, "passed", detail, int(bad))

    def enough(self) -> None:
        rule = f"at least {self.limits.min_rows} good bars of a security; one with fewer is taken out whole"
        sizes = self.bars.groupby("entity").size()
        short = sizes[sizes < self.limits.min_rows]
        found = ", ".join(f"{entity} has {n}" for entity, n in short.items()) or "every security has enough"
        if len(short) == len(sizes):
            self._fail("enough rows", rule, found if len(sizes) else "there are none")
        young = self.bars["entity"].map(short).dropna()
        self._take_out(young.map("one of only {:g} bars of its security".format))
        self._note("enough rows", rule, "warning" if len(short) else "passed", found, len(young))

    def gaps(self) -> None:
        where = f"sessions of {self.calendar}" if self.bar == "1d" else "the day's grid"
        rule = (
            f"at most {self.limits.max_gaps:.0%} of the bars of {where} absent; "
            f"gaps up to {self.limits.max_fill} bars are forward-filled, longer ones flagged"
        )
        gaps = find_gaps(self.bars, self.bar, self.calendar)
        absent, expected = len(gaps.absent), gaps.expected
        detail = f"{absent} of {expected:,} absent"
        if absent > self.limits.max_gaps * expected:
            first = gaps.absent.iloc[0]
            self._fail("gaps", rule, f"{detail}, first {first['entity']} at {first['timestamp']}")
        self.bars, filled = fill_gaps(self.bars, gaps, self.limits.max_fill)
        self._flag(filled.assign(detail="no bar in the source; last close repeated, volume 0"), "forward-filled")
        long = gaps.absent[gaps.absent["run"] > self.limits.max_fill]
        starts = long[long.groupby("entity")["timestamp"].diff().isna() | (long["run"] != long["run"].shift())]
        self._flag(starts.assign(detail=[f"{n} bars absent from here on" for n in starts["run"]]), "gap")
        self._note("gaps", rule, "warning" if absent else "passed", f"{detail}, {len(filled)} filled", absent)

    def jumps(self) -> None:
        extreme = extreme_changes(self.bars, self.limits.extreme_change)
        self._flag(extreme, "extreme change")
        rule = f"closes changing by more than {self.limits.extreme_change:.0%} are flagged and kept"
        self._note("outliers", rule, "warning" if len(extreme) else "passed", _count(len(extreme), "bar"), len(extreme))
        splits = split_like(self.bars)
        self._flag(splits, "split-like")
        rule = "prices adjusted for splits: no overnight jump by a common split ratio"
        detail = _count(len(splits), "jump")
        if len(splits):
            first = splits.iloc[0]
            detail += (
                f", first {first['entity']} at {first['timestamp']}; load split-adjusted prices if they are splits"
            )
        self._note("splits", rule, "warning" if len(splits) else "passed", detail, len(splits))

        silent = silent_moves(self.bars)
        self._flag(silent, "no volume")
        rule = "a bar whose price moved has volume; flagged and kept"
        self._note("volume", rule, "warning" if len(silent) else "passed", _count(len(silent), "bar"), len(silent))

    def staleness(self) -> None:
        if self.as_of is None:
            return
        limit = pd.Timedelta(minutes=self.limits.stale_minutes)
        rule = f"newest bar at most {self.limits.stale_minutes:g} minutes behind the open exchange ({self.calendar})"
        known = last_known(self.calendar, self.as_of - limit)
        expected = self._due(known)
        newest = self.bars.groupby("entity")["timestamp"].max()
        stale = newest[newest < expected].rename("timestamp").reset_index()
        self._flag(stale.assign(detail=f"newest bar; one of {expected} was due at {self.as_of}"), "stale")
        detail = f"newest {newest.max()}, due {expected}"
        self._note("staleness", rule, "warning" if len(stale) else "passed", detail, len(stale))

    def report(self) -> QualityReport:
        flagged = pd.concat(self.flags, ignore_index=True) if self.flags else pd.DataFrame(columns=list(FLAGGED))
        return QualityReport(tidy(self.bars), self._rejected(), flagged, self.checks)

    def _due(self, known: pd.Timestamp) -> pd.Timestamp:
        """Return the end of the newest bar that must be there when the exchange was last seen open at ``known``."""
        if self.bar != "1d":
            return known
        today = known.normalize() + SESSION_CLOSE
        assert self.as_of is not None
        return (
            today if self.as_of >= today else last_known(self.calendar, known.normalize()).normalize() + SESSION_CLOSE
        )

    def _take_out(self, reasons: pd.Series) -> None:
        if reasons.empty:
            return
        self.taken.append(self.bars.loc[reasons.index].assign(reason=reasons))
        self.bars = self.bars.drop(index=reasons.index)

    def _rejected(self) -> pd.DataFrame:
        if not self.taken:
            return pd.DataFrame(columns=list(REJECTED))
        return pd.concat(self.taken).sort_values("row")[list(REJECTED)].reset_index(drop=True)

    def _first(self, mask: pd.Series) -> str:
        rows = self.bars[mask].head(NAMED)
        return "first rows: " + ", ".join(f"{r.row} ({r.entity}, {r.timestamp})" for r in rows.itertuples())

    def _flag(self, rows: pd.DataFrame, flag: str) -> None:
        if len(rows):
            self.flags.append(rows.assign(flag=flag)[list(FLAGGED)])

    def _note(self, name: str, rule: str, status: Status, detail: str, rows: int = 0) -> None:
        self.checks.append(QualityCheck(name, rule, status, detail, rows))

    def _fail(self, name: str, rule: str, *details: str) -> None:
        detail = "; ".join(details)
        self._note(name, rule, "failed", detail)
        raise BarsRejected(
            f"The data failed the check {name!r}: {detail}.", f"The rule is: {rule}. Correct the source.", self.report()
        )


def _utc(moment: pd.Timestamp | str) -> pd.Timestamp:
    stamp = pd.Timestamp(moment)
    return stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
