"""Where bursts run: a warm worker process behind a queue, the store of all runs, and the stream to those who watch.

:class:`Session` takes configs and sees each run to its end in ``python -m explorer.sessions.worker``, whose crash,
hang or lack of memory costs the server nothing. :class:`Store` holds every event before anyone sees it.
:func:`router` has the HTTP routes. :func:`record` runs a burst in the process that calls it, for the command line.
Nothing here imports torch, but for the worker in its own process.
"""

from explorer.sessions.direct import record
from explorer.sessions.routes import router
from explorer.sessions.session import Limits, Session, Submitted
from explorer.sessions.store import RunRecord, Store, default_folder

__all__ = ["Limits", "RunRecord", "Session", "Store", "Submitted", "default_folder", "record", "router"]
