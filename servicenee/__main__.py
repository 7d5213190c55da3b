"""`python -m servicenee`: the same commands as `servicenee`."""

import sys

from servicenee.cli import main

sys.exit(main())
