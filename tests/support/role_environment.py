"""An image role's environment without a container: its pins in an empty virtual environment, and a read-only root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import httpx

from tests.support.dockerfiles import PREFIX, ROOT, entry_point, environment

UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class RoleEnvironment:
    """A virtual environment that holds a role's pins and this package, and nothing else.

    Attributes
    ----------
    role : str
        Image role.
    path : Path
        The environment.
    scratch : Path
        What an image has at ``/tmp``: the one folder that its processes may write to.
    """

    role: str
    path: Path
    scratch: Path

    @property
    def variables(self) -> dict[str, str]:
        """What the image sets, with the environment's place for the image's, and the system's commands."""
        told = {k: v.replace(PREFIX, str(self.path)) for k, v in environment(self.role).items()}
        return {**told, "PATH": f"{told['PATH']}:/usr/bin:/bin"}

    def entry(self, *arguments: str) -> list[str]:
        """Return the image's entry point with arguments."""
        return [*entry_point(self.role), *arguments]

    def sealed(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs one where nothing but ``/tmp`` can be written, ``/tmp`` being :attr:`scratch`."""
        seal = 'mount --bind "$1" /tmp && mount -o remount,bind,ro / && cd /tmp && shift && exec "$@"'
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", "--mount", *user, "sh", "-c", seal, "sh", str(self.scratch), *command]

    def run(self, command: Sequence[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the image's variables, on a read-only root."""
        return subprocess.run(
            self.sealed(command), env=self.variables | extra, cwd="/", capture_output=True, text=True, check=False, timeout=240
        )  # fmt: skip


def build_wheel(folder: Path) -> Path:
    """Build this package from the files that git knows or would take; return the wheel."""
    source = folder / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name in ("components", "pipelines", "inference", "feature_repo"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    _uv("build", "--wheel", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@contextmanager
def role_environment(role: str, wheel: Path) -> Iterator[RoleEnvironment]:
    """Install a role as its image does, below ``/var/tmp``, and remove it afterwards."""
    folder = Path(mkdtemp(prefix=f"arthaflow-{role}-", dir="/var/tmp"))
    try:
        made = RoleEnvironment(role, folder / "environment", folder / "tmp")
        made.scratch.mkdir()
        _uv("venv", "--quiet", "--python", sys.executable, made.path)
        told = {
            **_outside(),
            "VIRTUAL_ENV": str(made.path),
            "UV_LINK_MODE": "hardlink",
            "PATH": f"{UV.parent}:/usr/bin:/bin",
        }
        told |= {"TORCH_BACKEND": "" if told.get("UV_FIND_LINKS") else "cpu"}
        subprocess.run(
            ["requirements/install.sh", role], cwd=ROOT, env=told, check=True, capture_output=True, text=True
        )
        _uv("pip", "install", "--quiet", "--offline", "--no-deps", "--python", made.path, wheel)
        yield made
    finally:
        shutil.rmtree(folder)


def inconsistencies(made: RoleEnvironment) -> list[str]:
    """Return what ``uv pip check`` finds in an environment: requirements that its packages miss."""
    done = subprocess.run(
        [UV, "pip", "check", "--python", made.path], env=_outside(), capture_output=True, text=True, check=False
    )
    return [line for line in done.stderr.splitlines() if line.startswith("The package")]


def _outside() -> dict[str, str]:
    """Return this process's variables without those that lead Python to other packages."""
    told = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "ARTHAFLOW_"))}
    return {"UV_FIND_LINKS": told.get("PIP_FIND_LINKS", ""), **told}


def _uv(*arguments: str | Path) -> None:
    subprocess.run([UV, *arguments], env=_outside(), check=True, capture_output=True, text=True)


@contextmanager
def running(made: RoleEnvironment, command: Sequence[str], **extra: str) -> Iterator[Callable[[str], httpx.Response]]:
    """Run a server as its image does until the block ends; yields a function that waits until a URL answers 200."""
    with (made.scratch / "server.log").open("w+") as log:
        process = subprocess.Popen(made.sealed(command), env=made.variables | extra, cwd="/", stdout=log, stderr=log)

        def wait(url: str, timeout_s: float = 120.0) -> httpx.Response:
            deadline = time.monotonic() + timeout_s
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    answer = httpx.get(url, timeout=30.0)
                except httpx.TransportError:
                    time.sleep(0.1)
                    continue
                if answer.status_code == 200:
                    return answer
                time.sleep(0.1)
            log.seek(0)
            raise AssertionError(f"{url} does not answer 200: {log.read()[-2000:]}")

        try:
            yield wait
        finally:
            process.terminate()
            process.wait(timeout=60)
