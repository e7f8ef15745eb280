"""What a job uses: CPU and memory of its whole family of processes, sampled, and what that costs."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

GIB = 2.0**30


@dataclass
class Usage:
    """Measures one process and all that descend from it.

    CPU time comes from the kernel's account of ended children at the end; the samples stand in for those that were
    killed, whose time nobody is told. Memory is the sum of resident sizes, so pages that processes share count twice.

    Parameters
    ----------
    pid : int
        Of the process.
    """

    pid: int
    peak_bytes: int = 0
    gb_hours: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _sampled_cpu_s: float = 0.0
    _children_before: float = field(default_factory=lambda: _ended_children())

    def sample(self) -> None:
        """Look at the processes once."""
        cpu, resident = 0.0, 0
        for process in family(self.pid):
            try:
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                resident += process.memory_info().rss
            except psutil.Error:
                continue
        now = time.monotonic()
        self.gb_hours += resident / GIB * (now - self._last) / 3600.0
        self._last = now
        self.peak_bytes = max(self.peak_bytes, resident)
        self._sampled_cpu_s = max(self._sampled_cpu_s, cpu)

    @property
    def cpu_hours(self) -> float:
        """CPU hours until now; complete once the process was waited for."""
        return max(self._sampled_cpu_s, _ended_children() - self._children_before) / 3600.0

    @property
    def seconds(self) -> float:
        """Wall-clock seconds until now."""
        return time.monotonic() - self._began

    def facts(self, cpu_hour_usd: float, memory_gb_hour_usd: float) -> dict[str, float]:
        """Return the figures and the cost, US dollars, JSON-ready."""
        cpu, memory = self.cpu_hours, self.gb_hours
        return {
            "seconds": round(self.seconds, 3),
            "cpu_hours": round(cpu, 6),
            "memory_gb_hours": round(memory, 6),
            "peak_memory_bytes": self.peak_bytes,
            "cost_usd": round(cpu * cpu_hour_usd + memory * memory_gb_hour_usd, 6),
        }


def family(pid: int) -> list[psutil.Process]:
    """Return a process and those that descend from it; none if it is gone."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _ended_children() -> float:
    told = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime
