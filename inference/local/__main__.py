"""``python -m inference.local --home DIR``: watch the servers of a home until SIGTERM."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from inference.local.supervisor import Supervisor
from inference.local.watchdog import Watchdog

STOP = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m inference.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    supervisor = Supervisor(parser.parse_args().home)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    with Watchdog(supervisor):
        signal.sigwait(STOP)


if __name__ == "__main__":
    main()
