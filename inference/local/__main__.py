"""``python -m inference.local --home DIR``: watch the servers of a home until SIGTERM."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from types import FrameType

from inference.local.supervisor import Supervisor
from inference.local.watchdog import Watchdog


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m inference.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    supervisor = Supervisor(parser.parse_args().home)
    for number in (signal.SIGTERM, signal.SIGINT):  # handled, not blocked: a revived server would inherit the mask
        signal.signal(number, _stop)
    with Watchdog(supervisor):
        while True:
            time.sleep(3600.0)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
