"""`make chaos` and `make chaos-bugs`."""

from __future__ import annotations

import sys

from tests.chaos.runner import main, steadily

if __name__ == "__main__":
    steadily()
    sys.exit(main(sys.argv[1:]))
