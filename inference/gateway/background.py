"""Work that goes on as long as the process: it belongs to no request, and where it ends by a defect the log says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from inference.gateway.defects import where

LOG = logging.getLogger("arthaflow.gateway")


def lasting(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start work in the background, outside of any request's deadline, ids and trace."""
    task = asyncio.get_running_loop().create_task(work, name=name, context=Context())
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        LOG.critical("%s has ended by a defect: %s", task.get_name(), where(error))
