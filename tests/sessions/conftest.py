import os
from pathlib import Path

import pytest
from sessions_driver import FAKE, Driver

from explorer.sessions import Limits, Session, Store


@pytest.fixture(autouse=True, scope="session")
def _importable_fakes():
    here = str(Path(__file__).parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, before)))
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def make_driver(tmp_path):
    """Makes sessions with the fake burst; all are closed afterwards."""
    made = []

    def make(command=FAKE, folder=tmp_path / "data", **limits):
        session = Session(Store(folder), limits=Limits(**limits), command=command)
        made.append(session)
        return Driver(session)

    yield make
    for session in made:
        session.close()
        session.store.close()


@pytest.fixture
def driver(make_driver):
    return make_driver()


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """One session for tests that leave it as they found it."""
    session = Session(Store(tmp_path_factory.mktemp("data")), command=FAKE)
    yield Driver(session)
    session.close()
    session.store.close()
