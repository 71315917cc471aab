"""`python3 /opt/hearth/engine`: the folder is run by its path, and imports itself as a package."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    runpy.run_module(f"{folder.name}.run", run_name="__main__", alter_sys=True)
