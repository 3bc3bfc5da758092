"""The worker's pipe: no line waits long, and many lines do not cost a system call each."""

import os
import select
import time

import pytest

from explorer.sessions import pipe as pipe_module
from explorer.sessions.pipe import LinePipe


@pytest.fixture
def ends():
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(read_end)
    os.close(write_end)


def test_a_line_leaves_in_time_while_the_sender_is_busy(ends):
    read_end, write_end = ends
    pipe = LinePipe(write_end)
    pipe.send("first")
    assert os.read(read_end, 100) == b"first\n"
    began = time.monotonic()
    pipe.send("second")
    assert select.select([read_end], [], [], 2.0)[0]
    assert time.monotonic() - began < 0.2
    assert os.read(read_end, 100) == b"second\n"


def test_many_lines_share_a_system_call_and_keep_their_order(ends, monkeypatch):
    read_end, write_end = ends
    writes, write = [], os.write
    monkeypatch.setattr(pipe_module.os, "write", lambda fd, data: writes.append(len(data)) or write(fd, data))
    pipe = LinePipe(write_end)
    for index in range(2000):
        pipe.send(str(index))
    pipe.send("end", now=True)
    monkeypatch.undo()
    assert os.read(read_end, 65_536).decode().split() == [*map(str, range(2000)), "end"]
    assert len(writes) < 100
