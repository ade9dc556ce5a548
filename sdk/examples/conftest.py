"""Puts every example on the path, as if it were installed."""

import sys
from pathlib import Path

for folder in Path(__file__).parent.iterdir():
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
