"""Why a burst or its worker process died, in words that a person can act on.

The kernel's out-of-memory killer and a person's ``kill -9`` look the same to a parent: SIGKILL. What tells them apart
is the kernel's count of such kills and how little memory was left shortly before.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from explorer.devices.memory import memory

LITTLE_MEMORY = 0.05
"""Share of all memory below which a killed worker is taken to have run out of it."""

NATIVE_CRASHES = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"}
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory at one moment, in bytes, within the control group's limit; and the kernel's kills for want of it."""

    total: int | None
    free: int | None
    kills: int

    @property
    def scarce(self) -> bool:
        """Whether there was so little left that the kernel may well have killed for it."""
        return bool(self.total) and self.free is not None and self.free < LITTLE_MEMORY * self.total


def memory_now(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Memory:
    """Read the memory of this machine, and how often its kernel has killed for want of it."""
    kills = (_table(file).get("oom_kill", 0) for file in (proc / "vmstat", cgroup / "memory.events"))
    return Memory(*memory(proc, cgroup), sum(kills))


def _table(path: Path) -> dict[str, int]:
    """The first number behind each word of a file of the kernel; empty where there is none."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def explain(status: int, before: Memory, after: Memory) -> tuple[str, str]:
    """The kind of a ``run_failed`` event and its sentence for a worker that ended by itself or by another's hand.

    Parameters
    ----------
    status : int
        Exit status, or minus the number of the signal.
    before, after : Memory
        The memory at the last look while the worker lived, and now.
    """
    if status >= 0:
        return "crashed", (
            f"The worker process ended by itself with exit status {status}, which it should not. "
            "The log says more; a new worker has been started."
        )
    name = _signal_name(-status)
    if name == "SIGKILL" and (after.kills > before.kills or before.scarce):
        left = "" if before.free is None else f" ({before.free // MEBIBYTE:,} MiB were free shortly before)"
        return "out-of-memory", (
            f"The operating system killed the worker process, most likely because memory ran out{left}. "
            "Take a smaller model, a smaller batch or fewer lanes."
        )
    if name in NATIVE_CRASHES:
        return "crashed", (
            f"The worker process crashed in native code ({name}). The log has the place; "
            "a new worker has been started. If it happens again with the same settings, please report it."
        )
    return "crashed", (
        f"The worker process was killed from outside ({name}). A new worker has been started: run it again."
    )


def crash_sentence(error: BaseException) -> str:
    """What is said of a burst that an error has ended."""
    detail = " ".join(str(error).split())
    detail = detail if len(detail) <= 200 else detail[:199] + "…"
    return f"The burst stopped on an error of the program ({type(error).__name__}: {detail}). The log has the details."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
