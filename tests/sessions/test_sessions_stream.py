"""The stream over a real server on loopback: nothing lost, nothing doubled, however late and however often cut."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from sessions_driver import check_whole, read, wait_for
from sessions_fakes import config, events

from explorer.burst.events import encode
from explorer.sessions import Store, record, router
from explorer.sessions import stream as stream_module


class Server:
    """A session's routes behind a real HTTP server."""

    def __init__(self, driver, **options):
        app = FastAPI()
        app.include_router(router(driver.session, driver.store, **options))
        self._uvicorn = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=5))
        self._thread = threading.Thread(target=self._uvicorn.run)
        self._thread.start()
        wait_for(lambda: self._uvicorn.started, what="the HTTP server")
        port = self._uvicorn.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def stop(self):
        self._uvicorn.should_exit = True
        self._thread.join()


def in_a_loop(coroutine):
    """Run a coroutine in a thread of its own: Playwright may have left its loop running in this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="module")
def server(warm):
    server = Server(warm)
    yield server
    warm.session.hub.close()
    server.stop()


def messages(address, run, headers=None, query="", stop_at=None):
    """The stream's messages as (event, id, data, size), until it ends or that many frames have come."""
    got = []
    with httpx.stream("GET", f"{address}/runs/{run}/events{query}", headers=headers or {}, timeout=20) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        message, size = {}, 0
        for line in response.iter_lines():
            size += len(line) + 1
            if line:
                name, _, value = line.partition(": ")
                message[name] = value
            else:
                if "event" in message:
                    got.append((message["event"], int(message["id"]), json.loads(message["data"]), size))
                message, size = {}, 0
                if stop_at is not None and len(got) >= stop_at:
                    break
    return got


def frames(got):
    return [data for event, _, data, _ in got if event == "frame"]


def check_seamless(some, first, last):
    """The frames follow each other from the first event to the last."""
    assert [frame["from"] for frame in some] == [first, *(frame["to"] + 1 for frame in some[:-1])]
    assert some[-1]["to"] == last


def losses(some):
    columns = {}
    for frame in some:
        for lane, fields in frame.get("lanes", {}).items():
            columns.setdefault(lane, []).extend(fields["loss"])
    return columns


def test_a_viewer_of_a_live_run_sees_all_of_it_and_the_end(warm, server):
    run = warm.session.submit(config("step=0.005", steps=200, lanes=4)).run
    got = messages(server.address, run)
    recorded = warm.wait(run)
    assert got[-1][0] == "end"
    assert got[-1][2] == {"run": run, "state": "finished"}
    check_seamless(frames(got), 0, len(recorded) - 1)
    assert len(losses(frames(got))["3"]) == 200
    assert all(identifier == data["to"] for event, identifier, data, _ in got if event == "frame")


def test_live_frames_are_at_most_ten_a_second_and_at_most_4_kilobytes(warm, server):
    """The fake burst makes 480 to 600 lane-steps a second here."""
    warm.wait_ready()
    run = warm.session.submit(config("step=0.0066", steps=300, lanes=4)).run
    began = time.monotonic()
    got = messages(server.address, run)
    seconds = time.monotonic() - began
    live = [size for event, _, data, size in got if event == "frame" and "events" not in data]
    assert len(live) >= 10
    assert len(frames(got)) <= 10 * seconds + 3
    assert sorted(live)[len(live) // 2] <= 4096


def test_the_first_event_of_a_quiet_run_does_not_wait(warm, server):
    warm.wait_ready()
    began = time.monotonic()
    run = warm.session.submit(config("step=1", steps=1)).run
    (first,) = messages(server.address, run, stop_at=1)
    assert first[2]["events"][0]["type"] == "run_started"
    assert time.monotonic() - began < 0.8
    warm.session.cancel(run)
    warm.wait(run)


def test_a_late_viewer_sees_a_finished_run_whole(warm, server):
    run = warm.session.submit(config(steps=1500, lanes=2)).run
    recorded = warm.wait(run)
    got = messages(server.address, run)
    check_seamless(frames(got), 0, len(recorded) - 1)
    assert len(frames(got)) == 2
    assert len(losses(frames(got))["0"]) == 1500


def test_a_viewer_in_the_middle_catches_up_and_goes_on_live(warm, server):
    run = warm.session.submit(config("step=0.02", steps=80, lanes=2)).run
    warm.wait_steps(run, 50)
    got = messages(server.address, run)
    assert frames(got)[0]["from"] == 0
    assert frames(got)[0]["to"] > 60
    assert len(frames(got)) > 3
    check_seamless(frames(got), 0, len(warm.wait(run)) - 1)


def test_a_stream_cut_at_every_event_loses_and_doubles_nothing(warm, server):
    run = warm.session.submit(config(steps=20)).run
    recorded = warm.wait(run)
    whole = losses(frames(messages(server.address, run)))["0"]
    for cut in range(len(recorded)):
        rest = messages(server.address, run, headers={"Last-Event-ID": str(cut)})
        assert rest[-1][0] == "end"
        if cut < len(recorded) - 1:
            check_seamless(frames(rest), cut + 1, len(recorded) - 1)
            seen = sum(event["type"] == "step" for event in recorded[: cut + 1])
            assert losses(frames(rest)).get("0", []) == whole[seen:]
        else:
            assert frames(rest) == []


def test_a_live_stream_cut_again_and_again_loses_and_doubles_nothing(warm, server):
    run = warm.session.submit(config("step=0.005", steps=300, lanes=2)).run
    collected, last, ended = [], None, False
    while not ended:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        got = messages(server.address, run, headers=headers, stop_at=2)
        collected += frames(got)
        ended = got[-1][0] == "end"
        last = got[-1][1]
    check_seamless(collected, 0, len(warm.wait(run)) - 1)
    assert [len(column) for column in losses(collected).values()] == [300, 300]


def test_the_query_resumes_too_and_the_header_is_newer(warm, server):
    run = warm.session.submit(config(steps=5)).run
    warm.wait(run)
    assert frames(messages(server.address, run, query="?after=2"))[0]["from"] == 3
    both = messages(server.address, run, query="?after=2", headers={"Last-Event-ID": "4"})
    assert frames(both)[0]["from"] == 5


@pytest.mark.parametrize("nonsense", ["", "abc", "-5", "1e3", "99999999", "9" * 400, "3; drop table runs", "٣"])
def test_nonsense_as_the_last_event_starts_from_the_first(warm, server, nonsense):
    run = warm.session.submit(config(steps=5)).run
    warm.wait(run)
    got = messages(server.address, run, headers={"Last-Event-ID": nonsense.encode()})
    assert frames(got)[0]["from"] == 0


@pytest.mark.parametrize("path", ["/runs/nothing/events", "/runs/nothing.jsonl", "/runs/%00'/events"])
def test_an_unknown_run_is_404_with_a_sentence(server, path):
    answer = httpx.get(server.address + path)
    assert answer.status_code == 404
    assert "There is no run" in answer.json()["detail"]
    assert httpx.head(server.address + "/runs/nothing.jsonl").status_code == 404


def test_all_events_come_as_lines_also_of_a_live_run(warm, server):
    run = warm.session.submit(config("step=0.01", steps=5000)).run
    warm.wait_steps(run, 10)
    assert httpx.head(f"{server.address}/runs/{run}.jsonl").status_code == 200
    answer = httpx.get(f"{server.address}/runs/{run}.jsonl")
    there = [json.loads(line) for line in answer.text.splitlines()]
    assert len(there) > 10
    assert [event["seq"] for event in there] == list(range(len(there)))
    warm.session.cancel(run)
    recorded = warm.wait(run)
    answer = httpx.get(f"{server.address}/runs/{run}.jsonl")
    assert answer.text == "".join(line + "\n" for line in warm.store.events(run))
    assert json.loads(answer.text.splitlines()[-1]) == recorded[-1]


def test_health_is_told(server):
    assert httpx.get(f"{server.address}/healthz").json()["status"] == "ok"


def test_headers_keep_proxies_from_holding_frames_back(warm, server):
    run = warm.session.submit(config(steps=1)).run
    warm.wait(run)
    headers = httpx.get(f"{server.address}/runs/{run}/events").headers
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"


def test_a_run_of_another_process_is_seen_live(warm, server):
    other = Store(warm.store.folder)
    paced = lambda config, run: events(config.as_json(), run)  # noqa: E731
    burst = record(other, config("step=0.02", steps=30), burst=paced)
    run = next(burst)["run"]
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(messages, server.address, run)
        rest = list(burst)
        got = watching.result()
    check_seamless(frames(got), 0, rest[-1]["seq"])
    assert len(frames(got)) > 1
    assert got[-1][2]["state"] == "finished"
    check_whole(read(other, run), run)
    other.close()


def test_a_silent_stream_beats_and_a_stopping_server_ends_it_without_an_end(make_driver, monkeypatch):
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.2)
    driver = make_driver()
    server = Server(driver)
    run = driver.session.submit(config("at=2 do=hang")).run
    driver.wait_steps(run, 2)
    lines = []
    with ThreadPoolExecutor(1) as pool, httpx.stream("GET", f"{server.address}/runs/{run}/events") as response:
        reading = pool.submit(lambda: [lines.append(line) for line in response.iter_lines()])
        wait_for(lambda: sum(line.startswith(":") for line in lines) >= 2, what="two heartbeats")
        began = time.monotonic()
        driver.session.hub.close()
        reading.result(2)
        assert time.monotonic() - began < 0.5
    assert "event: end" not in lines
    server.stop()


def test_dependencies_close_the_runs_and_leave_the_health_check_open(warm):
    def nobody():
        raise HTTPException(401, "Log in first.")

    server = Server(warm, dependencies=[Depends(nobody)])
    run = warm.session.submit(config(steps=1)).run
    warm.wait(run)
    assert httpx.get(f"{server.address}/runs/{run}/events").status_code == 401
    assert httpx.get(f"{server.address}/runs/{run}.jsonl").status_code == 401
    assert httpx.get(f"{server.address}/healthz").status_code == 200
    server.stop()


def test_all_viewers_of_a_frame_get_the_same_bytes_and_leave_nothing_behind(tmp_path):
    """A hundred viewers of one run: each frame is encoded once."""
    store = Store(tmp_path)
    hub = stream_module.Hub(store)
    run = store.create(config(steps=30))
    live = hub.open(run)

    async def view():
        return [data async for data in hub.watch(run)]

    async def watch_all():
        viewers = [asyncio.create_task(view()) for _ in range(100)]
        await asyncio.sleep(0.05)
        for event in events(config(steps=30) | {"seed": 0}, run):
            await asyncio.to_thread(live.add, [encode(event)], [event])
            await asyncio.sleep(0.01)
        hub.discard(live)
        return await asyncio.gather(*viewers)

    seen = in_a_loop(watch_all())
    for index, data in enumerate(seen[0][:-1]):
        assert all(one[index] is data for one in seen)
    assert hub._watchers == {}
    store.close()


def test_a_viewer_who_falls_behind_reads_the_store_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(stream_module, "KEPT_FRAMES", 3)
    store = Store(tmp_path)
    hub = stream_module.Hub(store)
    run = store.create(config(steps=60))
    live = hub.open(run)

    async def watch_slowly():
        got = []
        async for data in hub.watch(run):
            got.append(data)
            await asyncio.sleep(0.02)
        return got

    async def main():
        viewer = asyncio.create_task(watch_slowly())
        for event in events(config(steps=60) | {"seed": 0}, run):
            live.add([encode(event)], [event])
            await asyncio.sleep(0.002)
        return await viewer

    got = [json.loads(data.decode().split("data: ")[1]) for data in in_a_loop(main()) if b"event: frame" in data]
    check_seamless(got, 0, 62)
    assert len(got) < 60
    store.close()
