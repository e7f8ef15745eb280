"""Train and evaluate the models of money on the acceptance data, and write ``docs/results/``.

``python benchmarks/models_money.py --data ../shared/data`` runs all of them; ``--only volatility`` one. Each page tells
the command, the commit, the seeds and the SHA-256 of every file that was read.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MODELS = tuple(
    sorted(p.stem for p in Path(__file__).parent.joinpath("money").glob("*.py") if p.stem not in ("__init__", "page"))
)


def main() -> None:
    """Run the asked models one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the acceptance data")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of the pages")
    parser.add_argument("--only", nargs="*", choices=MODELS, default=MODELS, help="models; all when left out")
    asked = parser.parse_args()
    if not (asked.data / "README.md").is_file():
        parser.error(f"{asked.data} is not the acceptance data: it has no README.md. Give --data ../shared/data.")
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        began = time.perf_counter()
        page = import_module(f"benchmarks.money.{name}").run(asked.data)
        (asked.out / f"{name}.md").write_text(page.markdown(), encoding="utf-8")
        missed = [bar.what for bar in page.bars if bar.met is False]
        told = f"missed: {'; '.join(missed)}" if missed else "every bar met"
        print(f"{name}: {time.perf_counter() - began:.0f} s, {told}")


if __name__ == "__main__":
    main()
