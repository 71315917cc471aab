"""`python -m infra`."""

import os
import sys

from infra.cli import main

try:
    code = main()
    sys.stdout.flush()
except BrokenPipeError:
    # The reader has seen enough (`… | head`): that is no mistake, and the interpreter must not flush again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 0
sys.exit(code)
