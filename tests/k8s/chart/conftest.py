"""The chart's renderings that several tests look at."""

import pytest

from tests.k8s.support.chart import DEV_VALUES, PRODUCTION_VALUES, render
from tests.k8s.support.everything import EVERYTHING
from tools.k8s.manifests import Manifest


@pytest.fixture(scope="session")
def dev() -> list[Manifest]:
    return render(files=(DEV_VALUES,))


@pytest.fixture(scope="session")
def production() -> list[Manifest]:
    return render(files=(PRODUCTION_VALUES,))


@pytest.fixture(scope="session")
def everything() -> list[Manifest]:
    """With every switch on."""
    return render(EVERYTHING)
