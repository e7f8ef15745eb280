"""Write the revision that brings the newest schema to the tables' metadata.

Run it as ``python -m components.records.migrations.draft``:

``draft "what changes"`` writes the next revision, to be read by a person and named in ``HEAD``; ``draft --first``
writes the first one anew, which only makes sense before its release.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from components.records.database import Database
from components.records.migrations import run

VERSIONS = run.HERE / "versions"
FIRST = "0001"


def main(arguments: list[str]) -> Path:
    """Write a revision; return its file."""
    first = arguments == ["--first"]
    if not first and (len(arguments) != 1 or arguments[0].startswith("-")):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/records.db")
        with database.write() as connection:
            if first:
                path = run.draft(connection, "Tables of documents 1 and 4", FIRST, folder=Path(folder))
                path = path.replace(VERSIONS / path.name)
            else:
                run.upgrade(connection, database.name)
                path = run.draft(connection, arguments[0], f"{len(run.known_revisions()) + 1:04d}")
        database.close()
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "# ### " not in line))
    for command in (["format"], ["check", "--fix"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", str(path)], check=True)
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1:])}\n")
