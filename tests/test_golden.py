import json

import pytest

from tests.golden import FILE, losses


@pytest.mark.parametrize("objective", ["filter", "amplify"])
def test_golden_losses(objective: str) -> None:
    # Float32 sums in another order, on another machine: 1e-6 at first, grown tenfold or so by ten steps.
    assert losses(objective) == pytest.approx(json.loads(FILE.read_text())[objective], rel=1e-3, abs=1e-5)
