"""What a run's frames leave out, for the panels that show it: heat maps, histograms, operations, the memory timeline.

A :class:`Digest` reads a run's events once, onwards from where it stopped, and keeps so much of them as a panel can
show: about a hundred samples a lane, evenly spread, however long the run is. Of a burst over several seeds it keeps
the first seed's.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from explorer.burst.events import Event
from explorer.sessions.store import Store

MOST_SAMPLES = 96
"""Samples of a lane that are kept; a panel has about three pixels for each."""

MOST_LAYERS = 200
"""Layers whose shares are told one by one."""

MOST_ROWS = 2_000
"""Rows of a lane's table of operations."""

MOST_MOMENTS = 600
"""Moments of a lane's timeline: those of the most bytes of each stretch are kept."""

PER = 10_000
"""A histogram's bins are whole numbers of so many parts; one with anything in it has at least one."""

SHARES = ("zero_fraction", "subnormal_fraction", "nonfinite_fraction", "lost_fraction")
WANTED = ('"gradients":', '"updates":', '"type":"operations"', '"type":"timeline"', '"type":"run_started"')
"""What a line has in it that is worth parsing; most steps are not sampled."""


class Samples:
    """Samples of one kind of one lane, thinned as they come in: all, then every second, fourth, eighth.

    Those kept are evenly spread from the first on, and the latest is always there.
    """

    def __init__(self, most: int = MOST_SAMPLES) -> None:
        self._most, self._stride, self._seen = most, 1, 0
        self._kept: list[dict[str, Any]] = []
        self._latest: dict[str, Any] | None = None

    def add(self, sample: dict[str, Any]) -> None:
        """Take the next sample."""
        self._latest = sample
        if self._seen % self._stride == 0:
            self._kept.append(sample)
            if len(self._kept) > self._most:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._seen += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._kept
        if self._latest is not None and self._kept[-1] is not self._latest:
            yield self._latest


class LaneDigest:
    """What is kept of one lane."""

    def __init__(self) -> None:
        self.gradients, self.updates = Samples(), Samples()
        self.layers: dict[str, Any] | None = None
        self.first_bad: dict[str, Any] | None = None
        self.operations: list[dict[str, Any]] | None = None
        self.timeline: dict[str, Any] | None = None

    def take(self, event: Event) -> None:
        """Take in one event of this lane."""
        if event["type"] == "operations":
            self.operations = event["rows"]
        elif event["type"] == "timeline":
            self.timeline = {"columns": event["columns"], "marks": event["marks"]}
        else:
            if gradients := event.get("gradients"):
                self._take_gradients(event, gradients)
            if updates := event.get("updates"):
                histogram = _histogram(updates.get("histogram"))
                self.updates.add(
                    {"step": event["step"], "share": updates["unchanged_fraction"], "histogram": histogram}
                )

    def _take_gradients(self, event: Event, gradients: dict[str, Any]) -> None:
        shares = {name: gradients.get(name) for name in SHARES}
        self.gradients.add(
            {
                "step": event["step"],
                "scale": event.get("scale"),
                "format": gradients.get("format"),
                **{name: None if share is None else float(f"{share:.4g}") for name, share in shares.items()},
                "activations": _histogram(gradients.get("histogram")),
                "weights": _histogram(gradients.get("weights_histogram")),
            }
        )
        if not (layers := gradients.get("layers")):
            return
        names = list(layers)[:MOST_LAYERS]
        self.layers = {
            "step": event["step"],
            "names": names,
            "shares": [[float(f"{share:.4g}") for share in layers[name]] for name in names],
        }
        if self.first_bad is None:
            # In the order in which backward reached them: what is not finite spreads from the first to those after it.
            bad = [name for name, (_, _, nonfinite) in layers.items() if nonfinite]
            if bad:
                self.first_bad = {"step": event["step"], "layer": bad[0], "layers": len(bad)}


class Digest:
    """What is kept of one run; :attr:`last` is the number of the last event that is in it."""

    def __init__(self) -> None:
        self.last = -1
        self.lanes: list[LaneDigest] = []
        self._lock = threading.Lock()

    def answer(self, store: Store, run: str, kind: str) -> dict[str, Any]:
        """Take in the events that were recorded since, and tell what there is of one of :data:`KINDS`."""
        with self._lock:
            for line in store.iterate(run, self.last):
                self.last += 1
                if any(words in line for words in WANTED):
                    self._take(json.loads(line))
            return {"last": self.last, "lanes": getattr(self, kind)()}

    def _take(self, event: Event) -> None:
        if event["type"] == "run_started":
            self.lanes = [LaneDigest() for _ in event["lanes"]]
        elif "lane" in event and not event.get("seed"):
            self.lanes[event["lane"]].take(event)

    def gradients(self) -> list[dict[str, Any]]:
        """For each lane the columns ``step``, ``scale``, the shares, ``activations`` and ``weights``, and three things.

        The last two columns hold histograms: floor(log2|g|) of the first bin, then the bins in parts of :data:`PER`, or
        null. ``format`` is the name of the format that the gradients were counted in. ``layers`` has ``step``,
        ``names`` and, for each, the shares [zero, subnormal, non-finite] at that step; ``first_bad`` the first sampled
        step with a non-finite gradient, the layer that backward reached first of those that had one, and how many they
        were. All three are null while there is no such thing.
        """
        names = ("step", "scale", *SHARES, "activations", "weights")
        return [
            {
                **_columns(lane.gradients, names),
                "format": next((sample["format"] for sample in lane.gradients), None),
                "layers": lane.layers,
                "first_bad": lane.first_bad,
            }
            for lane in self.lanes
        ]

    def updates(self) -> list[dict[str, Any]]:
        """For each lane the columns ``step``, ``share`` and ``histogram`` (of log2(|update| / ulp of the weight))."""
        return [_columns(lane.updates, ("step", "share", "histogram")) for lane in self.lanes]

    def operations(self) -> list[dict[str, Any] | None]:
        """For each lane ``rows``, at most :data:`MOST_ROWS`, and how many there were; null before they are known."""
        return [
            None if lane.operations is None else {"count": len(lane.operations), "rows": lane.operations[:MOST_ROWS]}
            for lane in self.lanes
        ]

    def timeline(self) -> list[dict[str, Any] | None]:
        """For each lane ``columns`` and ``marks``, thinned; null before they are known."""
        return [lane.timeline and _thinned(lane.timeline) for lane in self.lanes]


KINDS = ("gradients", "updates", "operations", "timeline")
"""What can be asked for: methods of :class:`Digest`."""


class Digests:
    """The digests of the runs that were asked for last.

    Parameters
    ----------
    store : Store
        Where the runs are.
    most : int
        How many are kept; each takes about as much memory as its answer.
    """

    def __init__(self, store: Store, most: int = 16) -> None:
        self._store, self._most = store, most
        self._digests: OrderedDict[str, Digest] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, run: str, kind: str) -> dict[str, Any]:
        """What there is of one of :data:`KINDS`: ``{"last": number of the last event, "lanes": […]}``."""
        with self._lock:
            digest = self._digests.setdefault(run, Digest())
            self._digests.move_to_end(run)
            if len(self._digests) > self._most:
                self._digests.popitem(last=False)
        return digest.answer(self._store, run, kind)


def _histogram(histogram: dict[str, Any] | None) -> list[int] | None:
    """The bins in parts of :data:`PER`, behind the power of two of the first."""
    if not histogram or not (total := sum(histogram["counts"])):
        return None
    return [histogram["low"], *(max(round(PER * count / total), min(count, 1)) for count in histogram["counts"])]


def _columns(samples: Samples, names: tuple[str, ...]) -> dict[str, list[Any]]:
    kept = list(samples)
    return {name: [sample[name] for sample in kept] for name in names}


def _thinned(timeline: dict[str, Any]) -> dict[str, Any]:
    """The timeline with at most :data:`MOST_MOMENTS` moments: of each stretch the one at which most bytes live."""
    columns = timeline["columns"]
    moments = len(columns["time_ms"])
    if moments <= MOST_MOMENTS:
        return timeline
    parts = [column for name, column in columns.items() if name != "time_ms"]
    total = [sum(values) for values in zip(*parts, strict=True)]
    edges = [moments * at // MOST_MOMENTS for at in range(MOST_MOMENTS + 1)]
    kept = [max(range(a, b), key=total.__getitem__) for a, b in itertools.pairwise(edges)]
    kept[0], kept[-1] = 0, moments - 1
    return {**timeline, "columns": {name: [column[at] for at in kept] for name, column in columns.items()}}
