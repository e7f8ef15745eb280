"""Does something beside the block, as soon as it can be done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 0.1


@contextmanager
def meanwhile(act: Callable[[], bool]) -> Iterator[None]:
    """Call ``act`` in a thread, again and again, until it says that it has acted or the block ends."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            if act():
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
