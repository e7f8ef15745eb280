"""``python -m inference.local --home DIR``: watch the servers of a home until SIGTERM."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from inference.local.supervisor import Supervisor
from inference.local.watchdog import Watchdog


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m inference.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    watchdog = Watchdog(Supervisor(parser.parse_args().home))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watchdog.stop())
    watchdog.run()


if __name__ == "__main__":
    main()
