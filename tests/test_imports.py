"""The rooms stay apart: who may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

EXPLORER = Path(__file__).parents[1] / "explorer"
ROOMS = ["formats", "devices", "recipes", "workloads", "burst", "planner", "hardware", "sessions", "ui"]
"""From the bottom up; a room imports itself and those below."""


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_downwards_only(room):
    above = {f"explorer.{name}" for name in ROOMS[ROOMS.index(room) + 1 :]}
    for file in (EXPLORER / room).rglob("*.py"):
        reached = {".".join(name.split(".")[:2]) for name in imported(file)}
        assert not reached & above, f"{file} reaches up"


def test_only_the_ui_imports_gradio():
    for file in EXPLORER.rglob("*.py"):
        if EXPLORER / "ui" not in file.parents:
            assert "gradio" not in {name.split(".")[0] for name in imported(file)}, file


@pytest.mark.parametrize(
    "module",
    [
        "formats",
        "devices",
        "recipes",
        "workloads",
        "burst",
        "burst.config",
        "burst.events",
        "planner",
        "sessions",
        "ui",
        "cli",
    ],
)
def test_torch_is_not_loaded_by(module):
    code = f"import sys, explorer.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
