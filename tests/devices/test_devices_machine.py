"""Names of devices, and what is said of them."""

import json
import subprocess
import sys

import pytest
import torch

from explorer.devices import describe, here, machine, resolve
from explorer.errors import InputError


def test_auto_is_the_accelerator_if_there_is_one():
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert resolve("auto").type == ("cpu" if accelerator is None else accelerator.type)


@pytest.mark.parametrize("name", ["cpu", " CPU "])
def test_the_cpu_is_always_there(name):
    assert resolve(name) == torch.device("cpu")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:99", "cuda:-1", "cuda:", "mps:5", "meta", "cpu:1", "🤖", None, 0])
def test_what_is_not_here_is_refused_with_what_is(name):
    with pytest.raises(InputError) as caught:
        resolve(name)
    assert caught.value.field == "device"
    assert all(device in str(caught.value) for device in ["auto", *here()])


def test_an_accelerator_is_found_by_kind_and_by_index(monkeypatch):
    monkeypatch.setattr(machine, "here", lambda: ["cpu", "cuda:0", "cuda:1"])
    assert resolve("auto") == resolve("cuda") == resolve("CUDA:0") == torch.device("cuda", 0)
    assert resolve("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match=r"got 'cuda:2', but takes auto, cpu, cuda:0 or cuda:1"):
        resolve("cuda:2")


def test_the_cpu_is_described_in_plain_json():
    found = describe("cpu")
    assert json.loads(json.dumps(found)) == found
    assert found["type"] == found["device"] == "cpu"
    assert found["name"]
    assert found["threads"] == torch.get_num_threads()
    assert 0 < found["memory_free"] <= found["memory_total"]
    assert torch.__version__.startswith(found["torch"])
    assert {entry["how"] for entry in found["half"].values()} <= {"native", "emulated"}
    assert all(entry["ratio"] > 0 for entry in found["half"].values())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_described_in_plain_json():
    found = describe(resolve("cuda"))
    assert json.loads(json.dumps(found)) == found
    assert 0 < found["memory_free"] <= found["memory_total"]
    assert found["half"]["fp16"]["how"] == "native"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (8000 * 1024, 6000 * 1024)),
        ({"memory.max": "max\n", "memory.current": "1"}, (8000 * 1024, 6000 * 1024)),
        ({"memory.max": "4096000\n", "memory.current": "1096000\n"}, (4096000, 3000000)),
        ({"memory.max": "4096000\n", "memory.current": "5000000\n"}, (4096000, 0)),
        (
            {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "5"},
            (8000 * 1024, 6000 * 1024),
        ),
        ({"memory/memory.limit_in_bytes": "4096000", "memory/memory.usage_in_bytes": "96000"}, (4096000, 4000000)),
    ],
    ids=["no group", "no limit", "limited", "exceeded", "version 1, no limit", "version 1"],
)
def test_memory_stays_within_the_control_group(tmp_path, files, expected):
    (tmp_path / "meminfo").write_text("MemTotal:  8000 kB\nMemFree: 1 kB\nMemAvailable: 6000 kB\n")
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    assert machine.memory(proc=tmp_path, cgroup=tmp_path / "cgroup") == expected


def test_memory_is_asked_of_the_system_where_there_is_no_proc(tmp_path):
    total, free = machine.memory(proc=tmp_path, cgroup=tmp_path)
    assert total is None or 0 < free <= total


def test_importing_the_package_leaves_torch_alone():
    code = "import sys, explorer.devices; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_offers_what_it_lists():
    import explorer.devices

    assert all(getattr(explorer.devices, name) for name in explorer.devices.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = explorer.devices.nothing
