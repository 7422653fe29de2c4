"""All benchmarks, or one, into `benchmarks/results.md`: `python -m benchmarks [NAME …] [--size small|modest|full]`.

Imports a benchmark only to run it: the processes it starts import this module as well, and are timed from their start.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

NAMES = ("intake", "endtoend", "drain", "latency", "restart", "matching", "calls", "backtest")
SIZES = ("small", "modest", "full")
PAGE = Path(__file__).parent / "results.md"
HEAD = """\
# Results

Written by `make bench`; each section says on what it ran, when, and how loaded the machine was. Contenders alternate in
one run, so a ratio survives a busy machine better than a figure does, but not one with a load of many times its cores:
judge seconds on an idle one. A goal that was not reached says so.
"""


def section(page: str, name: str, text: str) -> str:
    """`page` with the section of one benchmark replaced, or added at the end."""
    whole = f"<!-- {name} -->\n\n{text.strip()}\n\n<!-- end of {name} -->\n"
    known = re.compile(rf"<!-- {name} -->\n.*?<!-- end of {name} -->\n", re.DOTALL)
    if known.search(page):
        return known.sub(lambda _: whole, page)
    return f"{page.rstrip()}\n\n{whole}"


def run(name: str, size: str) -> str:
    """Run one benchmark; what it found, as a section."""
    report = import_module("benchmarks.report")
    began = time.monotonic()
    results = import_module(f"benchmarks.{name}").results(size)
    took = (time.monotonic() - began) / len(results)
    texts = [replace(one, seconds=took).text() for one in results]
    return "\n".join([*texts, f"Size {size}, on:\n\n{report.machine()}"])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--size", choices=SIZES, default="modest")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the results go")
    given = parser.parse_args()
    for name in given.names or NAMES:
        text = run(name, given.size)
        print(text, flush=True)
        page = given.page.read_text() if given.page.exists() else HEAD
        given.page.write_text(section(page, name, text))


if __name__ == "__main__":
    main()
