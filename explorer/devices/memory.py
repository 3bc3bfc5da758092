"""How much main memory there is, and how much of it can still be had. Needs no torch."""

import os
from pathlib import Path


def memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> tuple[int | None, int | None]:
    """Total memory and memory that can still be had, in bytes, within the control group's limit if there is one.

    Parameters
    ----------
    proc, cgroup : Path
        Where Linux mounts these; version 2 of control groups and the memory controller of version 1 are read.
    """
    total = free = None
    try:
        fields = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines() if ":" in line)
        total, free = (1024 * int(fields[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        total, free = (_pages(key) for key in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            # "max" in version 2, or a number beyond the machine's memory in version 1, is no limit.
            limit, used = (int((cgroup / name).read_text()) for name in (limit_file, used_file))
        except (OSError, ValueError):
            continue
        if total is None or limit < total:
            total, free = limit, max(0, min(limit - used, limit if free is None else free))
    return total, free


def _pages(key: str) -> int | None:
    try:
        return os.sysconf(key) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
