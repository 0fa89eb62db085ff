"""Memory is used again when, and only when, nobody refers to it."""

import threading

import numpy as np
import torch
from aurorascope.activations.buffers import Buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_let_go_is_used_again():
    """The same memory comes back, also for fewer bytes."""
    buffers = Buffers(2)
    first = buffers.take(1000)
    place = address(first)
    del first
    assert address(buffers.take(1000)) == place
    assert address(buffers.take(10)) == place
    assert len(buffers.take(10)) == 10


def test_memory_in_use_is_not_handed_out():
    """Neither that of an array, nor of a view, nor of a tensor, nor of a tensor's part, whatever else was let go."""
    buffers = Buffers(8)
    array = buffers.take(64)
    view = buffers.take(64)[3:5]
    tensor = torch.from_numpy(buffers.take(64).view(np.float32).reshape(4, 4))
    part = torch.from_numpy(buffers.take(64))[7:]
    there = [address(array), address(view) - 3, tensor.data_ptr(), part.data_ptr() - 7]
    taken = [buffers.take(64) for _ in range(6)]
    assert len({*there, *map(address, taken)}) == 10
    back = part.numpy()
    del part
    assert address(back) - 7 not in [address(buffers.take(64)), address(buffers.take(64))]


def test_a_larger_array_is_never_cut_from_a_smaller():
    """Asking for more makes a new one, and that is what is kept."""
    buffers = Buffers(1)
    assert len(buffers.take(10)) == 10
    place = address(buffers.take(20))
    assert len(buffers.take(20)) == 20
    assert address(buffers.take(20)) == place


def test_nothing_is_kept_after_clear():
    """What was handed out stays valid."""
    buffers = Buffers(2)
    mine = buffers.take(100)
    mine[:] = 7
    buffers.clear()
    other = buffers.take(100)
    other[:] = 1
    assert (mine == 7).all()


def test_threads_never_share_memory():
    """Eight threads that write their own number find nothing else in their arrays."""
    buffers, faults = Buffers(3), []

    def work(number):
        for _ in range(300):
            mine = buffers.take(4096)
            mine[:] = number
            if not (mine == number).all():
                faults.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
