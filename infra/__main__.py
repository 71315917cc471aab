"""`python -m infra`."""

import gc
import os
import sys

# Imports make many objects that live until the end: looking through them for garbage took a quarter of a short command.
gc.disable()
# Whatever else is installed has no say in what a valid stack is, and nobody waits for it to be looked for.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from infra.cli import main  # noqa: E402 - behind the settings that its imports follow

gc.freeze()
gc.enable()
try:
    code = main()
    sys.stdout.flush()
except BrokenPipeError:
    # The reader has seen enough (`… | head`): that is no mistake, and the interpreter must not flush again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 0
sys.exit(code)
