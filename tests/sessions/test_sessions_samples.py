"""What the frames leave out: bounded, live, read once."""

import random
import time
from itertools import pairwise

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sessions_fakes import config

from explorer.burst.events import Stamp, encode
from explorer.sessions import router
from explorer.sessions.samples import MOST_MOMENTS, MOST_ROWS, MOST_SAMPLES, PER, Samples

LAYERS = [f"transformer.h.{at}.mlp.c_fc" for at in range(24)]
PARTS = ("weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache", "other")


@pytest.fixture
def client(store):
    app = FastAPI()
    app.include_router(router(None, store))
    return TestClient(app)


class Recorded:
    """A run whose events the test makes."""

    def __init__(self, store, lanes=2, steps=100_000):
        self.store = store
        self.id = store.create(config(steps=steps, lanes=lanes))
        self.stamp = Stamp(self.id)
        self.lanes = store.get(self.id).config["lanes"]
        self.append(self.stamp("run_started", config={}, lanes=self.lanes))

    def append(self, *some):
        self.store.append(self.id, [encode(event) for event in some], some)

    def step(self, step, lane=0, **fields):
        return self.stamp("step", lane=lane, step=step, loss=1.0, scale=65536.0, skipped=False, **fields)


def gradients(low=-20, counts=(1, 0, 99_999), **more):
    histogram = {"low": low, "counts": list(counts)}
    return {"zero_fraction": 0.123456, "subnormal_fraction": 0.0, "nonfinite_fraction": 0.0, "lost_fraction": None,
            "histogram": histogram, "weights_histogram": histogram, "layers": {}, **more}  # fmt: skip


def test_histograms_come_in_columns_of_whole_parts(client, store):
    run = Recorded(store)
    run.append(
        run.step(0, gradients=gradients(format="fp16")),
        run.step(0, lane=1),
        run.step(10, gradients=gradients(counts=[3], format="fp16")),
    )
    first, second = client.get(f"/runs/{run.id}/gradients.json").json()["lanes"]
    assert first["step"] == [0, 10]
    assert first["scale"] == [65536.0, 65536.0]
    assert (first["format"], second["format"]) == ("fp16", None)
    assert first["zero_fraction"] == [0.1235, 0.1235]
    # One in a hundred thousand is less than a part, and yet there.
    assert first["activations"] == first["weights"] == [[-20, 1, 0, PER], [-20, PER]]
    assert second["step"] == []
    assert second["layers"] is None


def test_the_first_layer_that_goes_bad_is_named(client, store):
    run = Recorded(store, lanes=1)
    good = {name: [0.5, 0.25, 0.0] for name in LAYERS}
    bad = good | {LAYERS[3]: [0.0, 0.0, 0.125], LAYERS[7]: [0.0, 0.0, 1.0]}
    worse = {name: [0.0, 0.0, 1.0] for name in LAYERS}
    run.append(*(run.step(10 * at, gradients=gradients(layers=each)) for at, each in enumerate((good, bad, worse))))
    (lane,) = client.get(f"/runs/{run.id}/gradients.json").json()["lanes"]
    assert lane["first_bad"] == {"step": 10, "layer": LAYERS[3], "layers": 2}
    assert lane["layers"]["step"] == 20
    assert dict(zip(lane["layers"]["names"], lane["layers"]["shares"], strict=True)) == worse


def test_updates_have_their_share_and_their_histogram(client, store):
    run = Recorded(store, lanes=1)
    histogram = {"low": -3, "counts": [1, 3]}
    run.append(
        run.step(0, updates={"unchanged_fraction": 0.25, "histogram": histogram}),
        run.step(10, updates={"unchanged_fraction": None, "histogram": {"low": 0, "counts": []}}),
    )
    (lane,) = client.get(f"/runs/{run.id}/updates.json").json()["lanes"]
    assert lane == {"step": [0, 10], "share": [0.25, None], "histogram": [[-3, 2500, 7500], None]}


def test_operations_and_timeline_are_there_once_they_are_recorded(client, store):
    run = Recorded(store)
    assert client.get(f"/runs/{run.id}/operations.json").json()["lanes"] == [None, None]
    row = {"module": "lin", "op": "aten.mm", "direction": "forward", "dtype_in": "float16", "dtype_out": "float16",
           "count": 2, "casts": 1, "cast_bytes": 128}  # fmt: skip
    columns = {"time_ms": [0.0, 1.5], **{part: [8, 16] for part in PARTS}}
    marks = {"forward_end": 0.5, "backward_end": 1.0, "step_end": 1.5}
    run.append(run.stamp("operations", lane=1, rows=[row]), run.stamp("timeline", lane=0, columns=columns, marks=marks))
    assert client.get(f"/runs/{run.id}/operations.json").json()["lanes"] == [None, {"count": 1, "rows": [row]}]
    assert client.get(f"/runs/{run.id}/timeline.json").json()["lanes"] == [{"columns": columns, "marks": marks}, None]


def test_large_ones_are_cut_and_say_so(client, store):
    run = Recorded(store, lanes=1)
    row = {"module": "lin", "op": "aten.mm", "count": 1}
    moments = 5_000
    bytes_of = [random.Random(0).randrange(1_000) for _ in range(moments)]
    bytes_of[2_345] = 10**6
    columns = {"time_ms": [float(at) for at in range(moments)], **dict.fromkeys(PARTS, bytes_of)}
    run.append(
        run.stamp("operations", lane=0, rows=[row] * (MOST_ROWS + 5)),
        run.stamp("timeline", lane=0, columns=columns, marks={}),
    )
    (operations,) = client.get(f"/runs/{run.id}/operations.json").json()["lanes"]
    assert (operations["count"], len(operations["rows"])) == (MOST_ROWS + 5, MOST_ROWS)
    (timeline,) = client.get(f"/runs/{run.id}/timeline.json").json()["lanes"]
    kept = timeline["columns"]
    assert len(kept["time_ms"]) == MOST_MOMENTS
    assert (kept["time_ms"][0], kept["time_ms"][-1]) == (0.0, moments - 1.0)
    assert kept["time_ms"] == sorted(kept["time_ms"])
    assert max(kept["weights"]) == 10**6


def test_only_the_first_seed_is_kept(client, store):
    run = Recorded(store, lanes=1)
    run.append(run.step(0, seed=0, gradients=gradients()), run.step(0, seed=1, gradients=gradients(low=-5)))
    (lane,) = client.get(f"/runs/{run.id}/gradients.json").json()["lanes"]
    assert lane["activations"] == [[-20, 1, 0, PER]]


def test_samples_are_thinned_evenly_and_the_latest_is_there():
    for count in (1, 5, MOST_SAMPLES, MOST_SAMPLES + 1, 777, 10_000):
        samples = Samples()
        for at in range(count):
            samples.add({"at": at})
        kept = [sample["at"] for sample in samples]
        assert len(kept) <= MOST_SAMPLES + 1
        assert len(kept) >= min(count, MOST_SAMPLES / 2)
        assert (kept[0], kept[-1]) == (0, count - 1)
        assert len({b - a for a, b in pairwise(kept[:-1])}) <= 1


def test_a_long_run_s_answer_is_bounded(client, store):
    run, draw = Recorded(store, lanes=4), random.Random(0)
    layers = {name: [draw.random(), draw.random(), 0.0] for name in LAYERS}
    for start in range(0, 1_000, 100):
        run.append(
            *(
                run.step(
                    at,
                    lane,
                    gradients=gradients(counts=[draw.randrange(10**6) for _ in range(60)], layers=layers),
                    updates={"unchanged_fraction": draw.random(), "histogram": {"low": -30, "counts": [9] * 60}},
                )
                for at in range(start, start + 100)
                for lane in range(4)
            )
        )
    started = time.perf_counter()
    assert len(client.get(f"/runs/{run.id}/gradients.json").content) < 400_000
    first = time.perf_counter() - started
    assert len(client.get(f"/runs/{run.id}/updates.json").content) < 100_000
    # A second look reads only what is new.
    run.append(run.step(1_000, gradients=gradients()))
    started = time.perf_counter()
    again = client.get(f"/runs/{run.id}/gradients.json").json()
    assert again["lanes"][0]["step"][-1] == 1_000
    assert time.perf_counter() - started < first


def test_nothing_new_is_said_in_a_few_bytes(client, store):
    run = Recorded(store, lanes=1)
    answer = client.get(f"/runs/{run.id}/gradients.json")
    assert answer.json()["last"] == 0
    again = client.get(f"/runs/{run.id}/gradients.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    run.append(run.step(0, gradients=gradients()))
    assert client.get(
        f"/runs/{run.id}/gradients.json", headers={"If-None-Match": answer.headers["etag"]}
    ).status_code == 200  # fmt: skip


def test_an_unknown_run_and_an_unknown_kind_are_not_found(client, store):
    assert client.get("/runs/nosuchrun/gradients.json").status_code == 404
    assert client.get(f"/runs/{Recorded(store).id}/secrets.json").status_code in (404, 422)


def test_a_login_guards_them(store):
    def nobody():
        raise HTTPException(401, "Log in first.")

    app = FastAPI()
    app.include_router(router(None, store, dependencies=[Depends(nobody)]))
    run = Recorded(store)
    assert TestClient(app).get(f"/runs/{run.id}/gradients.json").status_code == 401
