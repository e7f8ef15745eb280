"""A serving process to be killed: logs predictions without end, and prints the id of each that is acknowledged."""

from __future__ import annotations

import asyncio
import os
import sys

from components.records.log import PredictionLog
from components.settings import settings
from tests.support.prediction_log import entry, journal_folder, request_entry

WRITERS = 32


async def burst(durable: bool) -> None:
    """Log from several tasks at once until killed."""
    log = PredictionLog(journal_folder(settings()))
    await log.start()

    async def one() -> None:
        while True:
            told = entry()
            log.serve(request_entry(request_id=told.prediction_id))
            await log.write(told, durable=durable)
            os.write(1, told.prediction_id.encode() + b"\n")

    os.write(1, f"drainer {log.drainer_pid}\n".encode())
    await asyncio.gather(*(one() for _ in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(burst("durable" in sys.argv))
