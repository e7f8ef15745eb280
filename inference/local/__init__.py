"""The servers as processes on one machine."""

from components.errors import PortInUse
from inference.local.endpoint import Endpoint
from inference.local.process import ManagedProcess
from inference.local.serving import LocalServing
from inference.local.watchdog import Watchdog
from inference.ports import free_port

__all__ = ["Endpoint", "LocalServing", "ManagedProcess", "PortInUse", "Watchdog", "free_port"]
