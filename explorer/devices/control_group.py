"""How many CPUs a container lets this process use. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass(frozen=True, slots=True)
class CpuLimit:
    """A control group's limit on CPU time.

    Attributes
    ----------
    cores : float
        CPU seconds a second, such as 1.5.
    source : str
        The file that sets it.
    """

    cores: float
    source: str

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def cpu_limit(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> CpuLimit | None:
    """The tightest CPU limit of the control groups that this process is in; None where there is none.

    A group is limited by its ancestors too, so all are read. Version 2 gives quota and period in ``cpu.max``, version
    1 in ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` (kernel documentation, cgroup-v2 and sched-bwc).

    Parameters
    ----------
    proc, cgroup : Path
        Where Linux mounts these.
    """
    return min(_limits(proc, cgroup), key=lambda limit: limit.cores, default=None)


def _limits(proc: Path, cgroup: Path) -> Iterator[CpuLimit]:
    for controllers, group in _groups(proc):
        mounts = [cgroup, cgroup / "unified"] if not controllers else []
        mounts += [cgroup / name for name in ("cpu", "cpu,cpuacct") if "cpu" in controllers]
        for mount in mounts:
            for folder in _with_ancestors(mount, group):
                if (limit := _read(folder)) is not None:
                    yield limit


def _groups(proc: Path) -> Iterator[tuple[set[str], str]]:
    """Controllers and path of each group; version 2's has no controllers. In a namespace of its own, the path is /."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        yield set(filter(None, controllers.split(","))), group


def _with_ancestors(mount: Path, group: str) -> Iterator[Path]:
    parts = [part for part in PurePosixPath(group).parts if part not in ("/", "..")]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _read(folder: Path) -> CpuLimit | None:
    for source, files in ((folder / "cpu.max", ["cpu.max"]),
                          (folder / "cpu.cfs_quota_us", ["cpu.cfs_quota_us", "cpu.cfs_period_us"])):  # fmt: skip
        try:
            quota, period = (int(word) for name in files for word in (folder / name).read_text().split())
        except (OSError, ValueError):  # "max" is no limit.
            continue
        if quota > 0 and period > 0:  # -1 is none in version 1.
            return CpuLimit(round(quota / period, 3), str(source))
    return None
