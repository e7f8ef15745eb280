"""The Secrets that docs/cluster.md has made by hand, made by running its commands."""

from __future__ import annotations

import base64
import re
import subprocess
from functools import lru_cache

import yaml

from tests.support.kustomize import ROOT

DOCUMENT = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


@lru_cache
def made_by_hand() -> str:
    """Run the commands of docs/cluster.md that make Secrets, with kubectl's client-side dry run; return the Secrets."""
    blocks = [b for b in re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL) if "kubectl create secret generic" in b]
    dry = 'kubectl() { echo ---; command kubectl "$@" --dry-run=client -o yaml; }\n'
    script = "set -euo pipefail\n" + dry + "\n".join(blocks)
    answer = "https://key:secret@elsewhere.example\n"
    done = subprocess.run(["bash", "-c", script], input=answer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documented_secrets() -> dict[tuple[str, str], dict[str, str]]:
    """Return the data of each Secret (namespace, name) that docs/cluster.md has made by hand."""
    found = [secret for secret in yaml.safe_load_all(made_by_hand()) if secret]
    return {
        (secret["metadata"]["namespace"], secret["metadata"]["name"]): {
            key: base64.b64decode(value).decode() for key, value in secret["data"].items()
        }
        for secret in found
    }
