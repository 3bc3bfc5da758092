"""The vendors' figures: found by a device's own name, dense, and held against what was measured."""

import pytest

from explorer.devices.datasheet import achieved, against, find, sheets
from explorer.formats import names


@pytest.mark.parametrize(
    ("device", "sheet"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200 SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 2080 Ti", "RTX 2080 Ti"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("AMD Instinct MI300X", "MI300X"),
    ],
)
def test_a_device_is_found_by_the_name_that_its_driver_gives(device, sheet):
    assert find(device).name == sheet


@pytest.mark.parametrize(
    "device",
    ["NVIDIA GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A100-SXM4-40GB", "NVIDIA L40",
     "NVIDIA A10G", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA H100 NVL", "Intel(R) Xeon(R) Processor", ""],
)  # fmt: skip
def test_a_device_that_only_resembles_one_is_not_taken_for_it(device):
    assert find(device) is None


def test_every_sheet_is_found_and_has_a_source():
    for sheet in sheets():
        assert sheet.source
        assert sheet.dense_tflops
        assert all(rate > 0 for rate in sheet.dense_tflops.values())


def test_a_rate_is_never_smaller_in_a_smaller_format():
    for sheet in sheets():
        rates = [sheet.dense_tflops.get(name) for name in ("fp32", "tf32", "fp16", "fp8", "fp4")]
        known = [rate for rate in rates if rate is not None]
        assert known == sorted(known), sheet.name


def test_sparsity_doubles_where_there_is_any():
    h100, v100 = find("NVIDIA H100 80GB HBM3"), find("Tesla V100-SXM2-16GB")
    assert h100.sparse("fp16") == 2 * h100.peak("fp16")
    assert round(h100.sparse("bf16")) == 1979
    assert h100.sparse("fp32") is None
    assert v100.sparse("fp16") is None


def test_fp8_of_either_kind_is_the_datasheet_s_fp8():
    h100 = find("NVIDIA H100 80GB HBM3")
    assert h100.peak("e4m3fn") == h100.peak("e5m2") == h100.dense_tflops["fp8"]
    assert h100.peak("e2m3") is None
    assert all(h100.peak(name) is None or h100.peak(name) > 0 for name in names())


def test_a_card_of_two_dies_is_two_devices():
    mi250x = find("AMD Instinct MI250X")
    assert mi250x.peak("fp16") == mi250x.dense_tflops["fp16"] / 2


def test_what_was_measured_stands_beside_the_peak_and_the_inflated_figure():
    measured = [{"format": name, "gflops": rate} for name, rate in (("bf16", 800_000), ("fp64", 1), ("int4", 1))]
    found = against(measured, "NVIDIA H100 80GB HBM3", bandwidth_gb_s=3015)
    row = found["formats"][0]
    assert row["share"] == pytest.approx(800 / 989.4, abs=1e-3)
    assert "81% of the dense peak" in row["sentence"]
    assert "2:4 sparsity" in row["sentence"]
    assert "40%" in row["sentence"]
    assert found["bandwidth_share"] == 0.9
    assert [each["format"] for each in found["formats"]] == ["bf16", "fp64"]


def test_a_cpu_has_no_datasheet():
    assert against([{"format": "fp32", "gflops": 100}], "Intel(R) Xeon(R) Processor") is None


def test_what_others_reached_is_below_the_peak():
    for row in achieved():
        assert 0 < row["share"] < 1
        assert row["source"]
