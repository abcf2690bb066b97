"""Networks this small are fastest on one thread, and other tests keep the other cores busy."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """One thread for torch, whatever it was before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
