import json
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data" / "sensor-vectors.json"


@pytest.fixture(scope="session")
def vectors():
    """Known answers by their id."""
    return {vector["id"]: vector for vector in json.loads(DATA.read_text(encoding="utf-8"))["vectors"]}
