import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from tiny import claim, make_store

DAYS = range(3, 9)


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    """A store of 6 snapshots of 24 tokens, 6 channels."""
    return StoreReader(make_store(tmp_path_factory.mktemp("store"), claim(DAYS)))


@pytest.fixture
def feed(reader):
    return ResidentFeed(reader, torch.device("cpu"))
