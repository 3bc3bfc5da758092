"""A frame holds what its events say, in few bytes."""

import itertools
import json

import pytest
from sessions_fakes import config, events

from explorer.burst.events import encode
from explorer.sessions.frames import Encoder, compact


def burst(steps=40, lanes=4):
    return list(events(config("x", steps=steps, lanes=lanes) | {"seed": 3}, "abcdefghijkmn"))


def frame_of(some, encoder=None):
    return json.loads((encoder or Encoder()).frame([encode(event) for event in some], some))


def step(lane=0, index=0, **fields):
    common = {"type": "step", "run": "r", "seq": index, "time": 1.0, "lane": lane, "step": index}
    return {**common, "loss": 1.5, "scale": None, "skipped": False, "grad_norm": 2.5, "step_ms": 1.25, **fields}


def test_four_lanes_at_600_lane_steps_a_second_fit_4_kilobytes():
    """Ten frames a second make 60 lane-steps a frame, of which every third has bits."""
    some = burst(steps=1000)
    encoder, sizes = Encoder(), []
    for start in range(1, 4001 - 60, 60):
        part = some[start : start + 60]
        sizes.append(len(encoder.frame([encode(event) for event in part], part)))
    assert len(sizes) > 60
    assert max(sizes[1:]) <= 4096  # The first frame has the memory, which then stays as it is.


def test_what_is_too_much_for_one_frame_goes_out_as_several():
    some = burst(steps=400)
    lines = [encode(event) for event in some]
    encoder = Encoder()
    frames = list(encoder.frames(lines, some, 4000))
    assert len(frames) > 4
    assert max(len(frame) for held, frame in frames if len(held) > 1) <= 4000
    assert [event for held, _ in frames for event in held] == some
    spans = [(json.loads(frame)["from"], json.loads(frame)["to"]) for _, frame in frames]
    assert spans == [(held[0]["seq"], held[-1]["seq"]) for held, _ in frames]
    # What an attempt that was too large had in it counts as sent only once it is: memory, the same throughout, is sent
    # once a lane.
    assert sum(frame.count('"memory":') for _, frame in frames) == 4


def test_a_frame_has_the_columns_of_each_lane():
    some = burst(lanes=3)
    frame = frame_of(some[1:31])
    assert (frame["from"], frame["to"]) == (1, 30)
    assert list(frame["lanes"]) == ["0", "1", "2"]
    for lane, columns in frame["lanes"].items():
        steps = [event for event in some[1:31] if event["lane"] == int(lane)]
        assert [columns["step"] + at for at in range(len(columns["loss"]))] == [event["step"] for event in steps]
        assert columns["loss"] == pytest.approx([event["loss"] for event in steps], rel=1e-5)
        assert len(columns["grad_norm"]) == len(columns["step_ms"]) == len(steps)
        sampled = [event for event in steps if "bits" in event]
        assert columns["bits"]["step"] == [event["step"] for event in sampled]
        for entry in sampled[0]["bits"]:
            assert columns["bits"][entry["role"]][0] == entry["code"]


def test_events_that_are_not_steps_are_whole():
    some = burst(steps=2)
    frame = frame_of(some)
    assert frame["events"] == [event for event in some if event["type"] != "step"]
    assert "events" not in frame_of(some[1:3])
    assert "lanes" not in frame_of(some[:1])


def test_columns_with_nothing_in_them_are_absent():
    columns = frame_of([step(), step(index=1)])["lanes"]["0"]
    assert set(columns) == {"step", "loss", "grad_norm", "step_ms"}
    columns = frame_of([step(scale=65536.0), step(index=1, scale=32768.5, skipped=True)])["lanes"]["0"]
    assert columns["scale"] == [65536, 32768.5]
    assert columns["skipped"] == [0, 1]


def test_a_scale_that_stays_is_one_number():
    assert frame_of([step(scale=65536.0), step(index=1, scale=65536.0)])["lanes"]["0"]["scale"] == 65536


def test_numbers_that_are_not_finite_stay_words():
    assert frame_of([step(loss="nan", grad_norm="inf")])["lanes"]["0"]["loss"] == ["nan"]


def test_a_role_that_a_sample_lacks_is_null():
    both = [{"role": "weight", "format": "fp32", "code": 1}, {"role": "update", "format": "fp32", "code": 2}]
    columns = frame_of([step(bits=both), step(index=1, bits=both[:1])])["lanes"]["0"]
    assert columns["bits"] == {"step": [0, 1], "weight": [1, 1], "update": [2, None]}


def test_an_element_under_a_scale_brings_the_scale_along():
    weight = {"role": "weight", "format": "fp32", "code": 1}
    compute = {"role": "compute", "format": "e2m1", "code": 5, "scale_code": 119, "scale_format": "e4m3fn",
               "amax": 0.0123456, "tensor_scale": 0.000123456789}  # fmt: skip
    columns = frame_of([step(bits=[weight, compute]), step(index=1, bits=[weight, compute])])["lanes"]["0"]
    assert columns["bits"] == {
        "step": [0, 1],
        "weight": [1, 1],
        "compute": [5, 5],
        "compute_scale_code": [119, 119],
        "compute_scale_format": "e4m3fn",
        "compute_amax": [0.01235, 0.01235],
        "compute_tensor_scale": [0.000123456789, 0.000123456789],
    }


def test_memory_is_sent_when_it_changes():
    encoder = Encoder()
    assert frame_of([step(memory={"total": 7}), step(1, memory={"total": 8})], encoder)["lanes"]["1"]["memory"] == {
        "step": [0],
        "total": [8],
    }
    assert "memory" not in frame_of([step(index=10, memory={"total": 7})], encoder)["lanes"]["0"]
    changed = frame_of([step(index=20, memory={"total": 9})], encoder)
    assert changed["lanes"]["0"]["memory"] == {"step": [20], "total": [9]}


def test_shares_of_updates_are_sent_and_gradients_are_not():
    updates = {"unchanged_fraction": 0.7654321, "histogram": {"low": -3, "counts": [1]}}
    columns = frame_of([step(gradients={"zero_fraction": 0.1}, updates=updates)])["lanes"]["0"]
    assert columns["updates"] == {"step": [0], "unchanged_fraction": [0.765]}
    assert "gradients" not in columns


def test_speed_and_evaluation_are_columns():
    speed = {"forward_ms": 1.23456, "backward_ms": 2.5, "optimizer_ms": 0.5, "flop": 10**9, "gflops": 123.456,
             "matmul_share": None}  # fmt: skip
    columns = frame_of([step(speed=speed, eval={"loss": 2.3456789, "autocast_loss": "inf"})])["lanes"]["0"]
    assert columns["speed"] == {"step": [0], "forward_ms": [1.23], "backward_ms": [2.5], "optimizer_ms": [0.5],
                                "gflops": [123]}  # fmt: skip
    assert columns["eval"] == {"step": [0], "loss": [2.34568], "autocast_loss": ["inf"]}


def test_further_seeds_of_a_lane_bring_their_losses_alone():
    seeds = [step(seed=seed, index=at, memory={"total": 7}, loss=1.5 + seed) for at in (4, 5) for seed in (0, 1, 2)]
    lanes = frame_of(seeds)["lanes"]
    assert lanes["0"]["memory"] == {"step": [4], "total": [7]}
    assert lanes["0.1"] == {"step": 4, "loss": [2.5, 2.5]}
    assert lanes["0.2"] == {"step": 4, "loss": [3.5, 3.5]}


def test_of_a_table_or_a_timeline_there_is_the_mere_fact():
    common = {"run": "r", "seq": 5, "time": 1.0, "lane": 1}
    events = [
        {"type": "operations", **common, "rows": [{}] * 999},
        {"type": "timeline", **common, "seq": 6, "marks": {}},
    ]
    frame = frame_of(events)
    assert (frame["from"], frame["to"]) == (5, 6)
    assert frame["events"] == [{"type": "operations", **common}, {"type": "timeline", **common, "seq": 6}]


def test_a_person_s_own_text_is_not_sent_with_the_frames():
    started = {"type": "run_started", "run": "r", "seq": 0, "time": 0.0, "config": {"text": "ab" * 25_000, "steps": 3}}
    (event,) = frame_of([started])["events"]
    assert event["config"]["steps"] == 3
    assert len(event["config"]["text"]) == 40
    assert event["config"]["text"].startswith("abab")
    assert len(started["config"]["text"]) == 50_000


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (2.302585092994046, 6, "2.30259"),
        (65536.0, None, "65536"),
        (2.0**126, None, "8.507059173023462e+37"),
        (1e-9, 6, "1e-09"),
        (0.0, 6, "0"),
        ("inf", 6, '"inf"'),
        (None, 6, "null"),
        (3, None, "3"),
    ],
)
def test_numbers_are_short(value, digits, text):
    assert json.dumps(compact(value, digits)) == text


def test_frames_cut_anywhere_hold_the_same():
    some = burst(steps=12, lanes=2)
    whole = frame_of(some)
    encoder, losses = Encoder(), {"0": [], "1": []}
    for part in itertools.batched(some, 5) if hasattr(itertools, "batched") else [some[:5], some[5:]]:
        for lane, columns in frame_of(list(part), encoder).get("lanes", {}).items():
            losses[lane] += columns["loss"]
    assert losses == {lane: columns["loss"] for lane, columns in whole["lanes"].items()}
