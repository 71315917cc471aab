"""`python -m infra`."""

import gc
import os
import sys

# A command is short, and most of its objects live until its end: looking for garbage took a quarter of its time.
gc.disable()
# Whatever else is installed has no say in what a valid stack is, and nobody waits for it to be looked for.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from infra.cli import main  # noqa: E402 - behind the settings that its imports follow

try:
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
except BrokenPipeError:
    # The reader has seen enough (`… | head`): that is no mistake, and the interpreter must not flush again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 0
# Nothing is left to be written or closed: taking every module apart would only take time.
os._exit(code)
