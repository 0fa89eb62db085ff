"""For tests with tensors so small that threads only wait for one another."""

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Torch on one thread. It holds for the modules of the folder whose conftest imports it, or for the module that does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
