"""The driver collects garbage in every transmission: of the heap of a test run that would take longer than the rest."""

import pytest

from bench.air.host_node import settled_heap


@pytest.fixture(autouse=True, scope="module")
def _settled_heap():
    with settled_heap():
        yield
