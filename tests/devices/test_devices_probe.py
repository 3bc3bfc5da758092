"""What is found out about devices, on this machine and on made-up ones."""

import json
from types import SimpleNamespace

import pytest
import torch

from explorer.devices import nvml, probe
from explorer.devices.attempts import attempts
from explorer.devices.control_group import cpu_limit

PROPERTIES = SimpleNamespace(name="NVIDIA made up", major=7, minor=5, uuid="abc", gcnArchName="gfx942:sramecc+:xnack-")
DESCRIBED = {"name": "NVIDIA made up", "cores": 40, "threads": 2, "memory_total": 16 << 30, "memory_free": 15 << 30,
             "torch": "2.13.0", "build": "cuda 13.0", "instructions": None, "half": {}}  # fmt: skip


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def limit(tmp_path, group, files):
    proc = tree(tmp_path / "proc", {"self/cgroup": group})
    found = cpu_limit(proc, tree(tmp_path / "cgroup", files))
    return found and (found.cores, found.source.removeprefix(str(tmp_path / "cgroup")))


def test_a_container_s_limit_is_named(tmp_path):
    assert limit(tmp_path, "0::/\n", {"cpu.max": "150000 100000\n"}) == (1.5, "/cpu.max")


def test_an_ancestor_s_limit_holds_where_it_is_tighter(tmp_path):
    files = {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000", "a/b/c/cpu.max": "400000 100000"}
    assert limit(tmp_path, "0::/a/b/c\n", files) == (2.0, "/a/cpu.max")


def test_version_1_is_read_too(tmp_path):
    files = {"cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000", "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000"}
    assert limit(tmp_path, "4:cpu,cpuacct:/docker/x\n", files) == (0.5, "/cpu,cpuacct/docker/x/cpu.cfs_quota_us")


@pytest.mark.parametrize(
    ("group", "files"),
    [
        ("0::/\n", {"cpu.max": "max 100000"}),
        ("0::/\n", {}),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}),
        ("0::/../..\n", {"cpu.max": "nonsense"}),
    ],
)
def test_no_limit_is_none(tmp_path, group, files):
    assert limit(tmp_path, group, files) is None


def test_a_system_without_control_groups_has_no_limit(tmp_path):
    assert cpu_limit(tmp_path, tmp_path) is None


class FakeNvml:
    """What of pynvml is used, for a GPU that does not tell its power."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        pass

    def __init__(self, fails=False):
        self.fails, self.open = fails, 0

    def nvmlInit(self):
        if self.fails:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == b"GPU-abc"
        return "handle"

    def nvmlSystemGetDriverVersion(self):
        return "580.65"

    def nvmlDeviceGetClockInfo(self, handle, kind):
        return 1410

    def nvmlDeviceGetMaxClockInfo(self, handle, kind):
        return 1590 if kind == self.NVML_CLOCK_SM else 5001

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 70_000

    def nvmlDeviceGetPowerUsage(self, handle):
        raise self.NVMLError("Not Supported")

    def nvmlDeviceGetTemperature(self, handle, kind):
        return 41


def test_nvml_gives_clocks_and_power_in_their_units():
    library = FakeNvml()
    found = nvml.read("abc", library)
    assert (found["nvml"], found["driver"], found["clock_max_mhz"], found["memory_clock_max_mhz"]) == (
        "read", "580.65", 1590, 5001,
    )  # fmt: skip
    assert (found["power_limit_w"], found["power_w"]) == (70.0, None)
    assert library.open == 0


def test_without_nvml_the_facts_have_the_same_fields(monkeypatch):
    read = nvml.read("abc", FakeNvml())
    failed = nvml.read("abc", FakeNvml(fails=True))
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    missing = nvml.read("abc")
    assert set(read) == set(failed) == set(missing)
    assert missing["nvml"] == "nvidia-ml-py is not installed"
    assert "Driver Not Loaded" in failed["nvml"]
    assert missing["driver"] is None


def test_bf16_is_asked_for_without_emulation(monkeypatch):
    asked = []

    def is_bf16_supported(including_emulation=True):
        asked.append(including_emulation)
        return including_emulation

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: PROPERTIES)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "device", lambda device: __import__("contextlib").nullcontext())
    monkeypatch.setattr(probe, "describe", lambda device: DESCRIBED)
    facts = probe._accelerator(torch.device("cuda:0"))
    assert (facts.vendor, facts.capability) == ("nvidia", (7, 5))
    assert (facts.bf16_native, facts.bf16_claimed) == (False, True)
    assert asked == [True, False]
    assert json.dumps(facts.as_dict())
    monkeypatch.setattr(torch.version, "hip", "7.0")
    facts = probe._accelerator(torch.device("cuda:0"))
    assert (facts.vendor, facts.arch, facts.compute_capability) == ("amd", "gfx942", "gfx942")


@pytest.fixture(scope="module")
def cpu():
    return probe.probe()[0]


def test_this_machine_s_cpu_is_described(cpu):
    facts = cpu.as_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["name"]
    assert facts["cores"] >= 1
    assert facts["memory_total"] > facts["memory_free"] > 0
    assert facts["build"]
    assert "cpu_limit" in facts


def test_instructions_agree_with_pytorch(cpu):
    assert ("AVX2" in cpu.instructions) == torch.cpu._is_avx2_supported()
    assert ("AVX512-BF16" in cpu.instructions) == torch.cpu._is_avx512_bf16_supported()


def test_instructions_are_unknown_where_pytorch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert probe.cpu_instructions() == ()


def test_small_products_are_tried_here():
    found = attempts("cpu")
    for name in ("fp64", "fp32", "fp16", "bf16"):
        assert found[name].ran, name
    for attempt in found.values():
        assert attempt.ran or attempt.detail.endswith(".")
    assert "tf32" not in found
