"""`python3 -m bootstrap`."""

import sys

from bootstrap.cli import main

sys.exit(main())
