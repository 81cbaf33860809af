"""`python3 -m dharma_dev`."""

import sys

from dharma_dev.cli import main

sys.exit(main())
