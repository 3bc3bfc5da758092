"""The store: what was appended is there, in order, whatever else happens to the process or beside it."""

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sessions_driver import check_whole, read
from sessions_fakes import config, events

from explorer.errors import InputError
from explorer.sessions import Store
from explorer.sessions.store import FILE


def recorded(store, script="", steps=3, keep=None, **more):
    """A run with its events, or the first of them, in the store."""
    run = store.create(config(script, steps=steps, **more))
    lines = [json.dumps(event) for event in events(config(script, steps=steps, **more) | {"seed": 0}, run)]
    store.append(run, lines[:keep])
    return run, lines[:keep]


def test_events_come_back_as_they_were(store):
    run, lines = recorded(store)
    assert store.events(run) == lines
    assert store.events(run, after=1) == lines[2:]
    assert store.events(run, after=0, limit=2) == lines[1:3]
    assert list(store.iterate(run, chunk=2)) == lines
    assert store.events("nothing") == []


def test_a_record_follows_its_run(store):
    run = store.create(config(steps=3))
    assert (store.get(run).state, store.get(run).last_seq, store.get(run).steps_done) == ("queued", -1, 0)
    lines = [json.dumps(event) for event in events(config(steps=3) | {"seed": 0}, run)]
    store.start(run)
    assert store.get(run).state == "running"
    store.append(run, lines[:2])
    assert (store.get(run).state, store.get(run).last_seq, store.get(run).steps_done) == ("running", 1, 1)
    store.append(run, lines[2:])
    record = store.get(run)
    assert (record.state, record.steps_done, record.steps, record.over) == ("finished", 3, 3, True)
    assert record.ended >= record.created
    assert record.config["model"] == "mlp"


@pytest.mark.parametrize(
    ("kind", "state"), [("cancelled", "cancelled"), ("interrupted", "interrupted"), ("crashed", "failed")]
)
def test_the_last_event_says_how_a_run_ended(store, kind, state):
    run, _ = recorded(store, keep=2)
    event = store.end(run, kind, "So it was.")
    assert event["seq"] == 2
    record = store.get(run)
    assert (record.state, record.kind, record.message) == (state, kind, "So it was.")
    assert store.end(run, "crashed", "Again.") is None


def test_a_gap_or_a_second_ending_is_a_bug_and_nothing_is_recorded(store):
    run, lines = recorded(store, keep=2)
    gap = json.dumps({"type": "step", "run": run, "seq": 3, "time": 1, "step": 1, "lane": 0})
    with pytest.raises(ValueError, match="do not follow"):
        store.append(run, [gap])
    assert store.events(run) == lines
    store.end(run, "crashed", "")
    with pytest.raises(ValueError, match="nothing can be appended"):
        store.append(run, [gap])


def test_the_list_is_newest_first_and_can_be_paged(store):
    runs = [store.create(config()) for _ in range(5)]
    assert [record.id for record in store.list()] == runs[::-1]
    first = store.list(limit=2)
    assert [record.id for record in store.list(before=first[-1].created)] == runs[2::-1]


def test_ids_are_url_safe_and_differ(store):
    runs = {store.create(config()) for _ in range(50)}
    assert len(runs) == 50
    assert all(run.isalnum() and run.isascii() and len(run) == 13 for run in runs)


def test_runs_survive_a_new_start(tmp_path):
    store = Store(tmp_path)
    run, lines = recorded(store)
    store.close()
    again = Store(tmp_path)
    assert again.events(run) == lines
    again.close()


def test_only_runs_of_dead_owners_are_interrupted(tmp_path):
    dead, living = Store(tmp_path), Store(tmp_path)
    left, _ = recorded(dead, keep=3)
    never_started = dead.create(config())
    finished, _ = recorded(dead)
    going, _ = recorded(living, keep=3)
    dead.close()

    server = Store(tmp_path)
    assert set(server.mark_interrupted()) == {left, never_started}
    assert server.mark_interrupted() == []
    check_whole(read(server, left), left)
    assert read(server, left)[-1]["kind"] == "interrupted"
    assert server.get(finished).state == "finished"
    assert server.get(going).state == "running"
    for store in (living, server):
        store.close()


def test_appending_costs_the_same_at_the_end_of_a_long_run(store):
    run = store.create(config(steps=5000))
    lines = [json.dumps(event) for event in events(config(steps=5000) | {"seed": 0}, run)]
    seconds = []
    for start in range(0, len(lines), 50):
        began = time.perf_counter()
        store.append(run, lines[start : start + 50])
        seconds.append(time.perf_counter() - began)
    early, late = statistics.median(seconds[:20]), statistics.median(seconds[-20:])
    assert late < 2 * early + 0.001


WRITER = """
import json, sys
from sessions_fakes import config, events
from explorer.sessions import Store

store = Store(sys.argv[1])
run = store.create(config(steps=200))
for event in events(config(steps=200) | {"seed": 0}, run):
    store.append(run, [json.dumps(event)])
print(run)
"""


def test_two_processes_can_write_at_the_same_time_from_the_very_start(tmp_path):
    command = [sys.executable, "-c", WRITER, tmp_path / "new"]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) for _ in range(3)]
    runs = [writer.communicate()[0].decode().strip() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    store = Store(tmp_path / "new")
    for run in runs:
        check_whole(read(store, run), run)
        assert store.get(run).steps_done == 200
    store.close()


def test_a_file_where_the_folder_should_be_is_said(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(InputError, match=r"--data-dir: got .*data', but takes a folder that can be written to"):
        Store(tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_said():
    with pytest.raises(InputError, match="--data-dir: got '/proc/nothing', but takes a folder that can be written to"):
        Store("/proc/nothing")


@pytest.mark.parametrize("content", [b"this is not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"--data-dir: .* a folder whose runs\.sqlite3 can be read and written"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="newer version"):
        Store(tmp_path)


def test_a_full_disk_is_said_and_leaves_the_run_as_it_was(store, monkeypatch):
    run, lines = recorded(store, keep=2)
    with store._database.connection() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    step = {"type": "step", "run": run, "time": 1, "step": 1, "lane": 0, "filler": "x" * 5000}
    many = [json.dumps(step | {"seq": seq}) for seq in range(2, 200)]
    with pytest.raises(InputError, match="full"):
        store.append(run, many)
    assert store.events(run) == lines
