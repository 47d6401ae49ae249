"""Makes the helpers of this folder importable under one name (tests are not packages)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
