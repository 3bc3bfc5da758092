"""Made-up devices, one for each trap that asking a library falls into."""

import pytest

from explorer import formats
from explorer.devices.facts import DeviceFacts
from explorer.devices.support import Attempt, of, support

NOT_MEASURED = {name: {"how": "native", "native_gflops": None, "emulated_gflops": None} for name in ("fp16", "bf16")}


def nvidia(capability, *, native=None, claimed=None, name="made up"):
    return DeviceFacts("cuda:0", "cuda", "nvidia", name, capability=capability, bf16_native=native,
                       bf16_claimed=claimed, half=NOT_MEASURED)  # fmt: skip


def amd(arch):
    # ROCm's is_bf16_supported() is True on every device, asked either way.
    return DeviceFacts("cuda:0", "cuda", "amd", "made up", arch=arch, bf16_native=True, bf16_claimed=True)


V100 = nvidia((7, 0), native=False, claimed=True)
T4 = nvidia((7, 5), native=False, claimed=True)
A100, RTX_3090, L4 = nvidia((8, 0), native=True), nvidia((8, 6), native=True), nvidia((8, 9), native=True)
H100, B200, RTX_5090 = (nvidia(capability, native=True) for capability in ((9, 0), (10, 0), (12, 0)))
MPS = DeviceFacts("mps:0", "mps", "apple", "Apple M2", has_fp64=False, half=NOT_MEASURED)


def verdicts(facts, attempts=None):
    return {each.format: each for each in support(facts, attempts)}


def native(facts):
    return {name for name, verdict in verdicts(facts).items() if verdict.support == "native"}


@pytest.mark.parametrize("facts", [V100, A100, H100, B200, amd("gfx942"), amd("gfx1100"), MPS])
def test_every_format_has_a_verdict_with_a_reason_and_a_source(facts):
    found = verdicts(facts)
    assert list(found) == list(formats.names())
    for verdict in found.values():
        assert verdict.support in ("native", "emulated", "missing")
        assert verdict.how.endswith(".")
        assert verdict.source


@pytest.mark.parametrize("facts", [V100, T4], ids=["V100", "T4"])
def test_bf16_that_is_counted_by_emulation_is_emulated(facts):
    bf16 = verdicts(facts)["bf16"]
    assert bf16.support == "emulated"
    assert "counts emulation" in bf16.how
    assert "FP16" in bf16.how
    assert verdicts(facts)["fp16"].support == "native"
    assert verdicts(facts)["tf32"].support == "emulated"


def test_bf16_does_not_depend_on_what_can_be_asked():
    assert verdicts(nvidia((7, 5)))["bf16"].support == "emulated"
    assert verdicts(nvidia((8, 0)))["bf16"].support == "native"


@pytest.mark.parametrize(("facts", "has"), [(RTX_3090, False), (L4, True), (H100, True)], ids=["8.6", "8.9", "9.0"])
def test_fp8_begins_at_8_9(facts, has):
    assert ({"e4m3fn", "e5m2"} <= native(facts)) == has
    assert not {"e4m3fnuz", "e5m2fnuz"} & native(facts)


def test_blocks_begin_at_10_0_and_mxfp4_is_not_offered_on_nvidia():
    blocks = {"mxfp8-e4m3", "mxfp8-e5m2", "nvfp4"}
    assert not blocks & native(H100)
    assert blocks <= native(B200)
    assert blocks <= native(RTX_5090)
    assert "NVFP4 only" in verdicts(B200)["mxfp4"].how
    assert verdicts(B200)["mxfp6-e3m2"].support == "emulated"


def test_mi300_multiplies_fnuz_and_mi350_does_not():
    mi300, mi350 = native(amd("gfx942")), native(amd("gfx950"))
    assert {"e4m3fnuz", "e5m2fnuz", "tf32", "bf16"} <= mi300
    assert not {"e4m3fn", "e5m2"} & mi300
    assert "other values" in verdicts(amd("gfx942"))["e4m3fn"].how
    assert {"e4m3fn", "e5m2"} <= mi350
    assert not {"e4m3fnuz", "e5m2fnuz", "tf32"} & mi350


def test_an_old_radeon_has_no_bf16_whatever_is_claimed():
    bf16 = verdicts(amd("gfx1030"))["bf16"]
    assert bf16.support == "emulated"
    assert "True on every ROCm device" in bf16.how


def test_mps_lacks_float64():
    found = verdicts(MPS)
    assert found["fp64"].support == "missing"
    assert "CPU" in found["fp64"].how
    assert {"fp32", "fp16", "bf16"} <= native(MPS)


def test_what_did_not_run_on_mps_is_missing():
    half = NOT_MEASURED | {"bf16": {"how": "missing"}}
    facts = DeviceFacts("mps:0", "mps", "apple", "Apple M1", has_fp64=False, half=half)
    assert verdicts(facts)["bf16"].support == "missing"
    assert "macOS 14" in verdicts(facts)["bf16"].how


def test_an_intel_gpu_says_itself_what_it_has():
    arc = DeviceFacts("xpu:0", "xpu", "intel", "Arc", has_fp64=False, bf16_native=True)
    assert verdicts(arc)["fp64"].support == "missing"
    assert "bf16" in native(arc)
    assert "bf16" not in native(DeviceFacts("xpu:0", "xpu", "intel", "old", has_fp64=True, bf16_native=False))


def test_a_cpu_is_judged_by_what_was_measured():
    half = {"fp16": {"how": "emulated", "native_gflops": 0.9, "emulated_gflops": 90.0},
            "bf16": {"how": "native", "native_gflops": 300.0, "emulated_gflops": 90.0}}  # fmt: skip
    found = verdicts(DeviceFacts("cpu", "cpu", "cpu", "made up", instructions=("AVX2", "AMX-BF16"), half=half))
    assert (found["fp16"].support, found["fp16"].evidence) == ("emulated", "measured")
    assert "no instructions for FP16" in found["fp16"].how
    assert "0.9 against 90 GFLOP/s" in found["fp16"].how
    assert (found["bf16"].support, "AMX-BF16" in found["bf16"].how) == ("native", True)
    assert found["tf32"].support == "emulated"


def test_an_operation_that_fails_takes_native_away():
    found = verdicts(L4, {"e4m3fn": Attempt(False, "no kernel for sm89."), "tf32": Attempt(True, "1 + 2^-12 is 1")})
    assert (found["e4m3fn"].support, found["e4m3fn"].evidence) == ("emulated", "operation")
    assert found["e4m3fn"].how.endswith("no kernel for sm89.")
    assert (found["tf32"].support, found["tf32"].evidence) == ("native", "operation")
    assert "1 + 2^-12 is 1" in found["tf32"].how


def test_an_operation_that_runs_does_not_make_native():
    found = verdicts(V100, {"bf16": Attempt(True)})
    assert found["bf16"].support == "emulated"
    assert "by converting" in found["bf16"].how


@pytest.mark.parametrize(
    ("capability", "fp16"), [((5, 3), "native"), ((6, 0), "native"), ((6, 1), "emulated"), ((7, 0), "native")]
)
def test_fp16_before_tensor_cores_depends_on_its_rate(capability, fp16):
    assert verdicts(nvidia(capability))["fp16"].support == fp16


def test_later_architectures_keep_what_earlier_ones_have():
    assert native(B200) <= native(nvidia((13, 0), native=True))


def test_a_device_nobody_knows_multiplies_float32():
    assert native(DeviceFacts("xyz:0", "xyz", "other", "new")) == {"fp32"}


def test_a_verdict_is_looked_up_by_device_and_format():
    assert of([*support(V100), *support(MPS)], "mps:0", "fp64") == "missing"


def test_an_architecture_is_named():
    assert (H100.architecture, H100.compute_capability) == ("Hopper", "9.0")
    assert RTX_3090.architecture == "Ampere"
    assert amd("gfx942").compute_capability == "gfx942"
