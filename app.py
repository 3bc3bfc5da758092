"""Serve the Mixed-Precision Explorer: ``python app.py``. What Hugging Face Spaces starts, too."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from typing import NoReturn

# Before gradio is imported: it would ask two servers outside for its own purposes.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from explorer.errors import InputError
from explorer.sessions import Limits, Session, Store
from explorer.workloads import OWN_MODELS

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and leave with status 2."""
        self.exit(2, f"app.py: {message} (--help lists the options)\n")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; Gradio's own environment variables are its defaults."""
    limits = Limits()
    parser = Parser(prog="app.py", description="Serve the Mixed-Precision Explorer to a browser.")
    environment = os.environ.get
    parser.add_argument("--host", default=environment("GRADIO_SERVER_NAME", "127.0.0.1"), help="interface to listen on")
    parser.add_argument("--port", type=_port, default=environment("GRADIO_SERVER_PORT"),
                        help="port to listen on (the first free one from 7860 on)")  # fmt: skip
    parser.add_argument("--share", action="store_true", help="ask Gradio for a public address")
    parser.add_argument("--root-path", default=None, help="path under which a proxy serves the app")
    parser.add_argument("--data-dir", default=None, help="where runs are recorded (your user data folder)")
    parser.add_argument("--device", default="auto", help="what the device auto of a burst stands for (%(default)s)")
    parser.add_argument("--own-models", action=argparse.BooleanOptionalAction, default=None,
                        help="whether people may train hub: models and path: folders of this machine "
                             "(yes on a loopback address, no on one that others can reach)")  # fmt: skip
    parser.add_argument("--max-steps", type=_positive, default=limits.max_steps,
                        help="most steps of a burst (%(default)s)")  # fmt: skip
    parser.add_argument("--max-seconds", type=_positive, default=limits.max_seconds,
                        help="longest time of a burst (%(default)s)")  # fmt: skip
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"got {text!r}, but takes a whole number from 1 to 65,535")


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"got {text!r}, but takes a whole number above 0")


def check_port(host: str, port: int | None) -> None:
    """Refuse a port that is taken before anything is started."""
    if port is None:
        return
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError("--port", port, f"one that is free on {host} ({reason})") from None


def serve(options: argparse.Namespace) -> None:
    """Serve until a ``KeyboardInterrupt``."""
    check_port(options.host, options.port)
    private = options.host in LOOPBACK and not options.share
    if not (private if options.own_models is None else options.own_models):
        # In the environment, so that the worker knows it too.
        os.environ[OWN_MODELS] = "no"
    store = Store(options.data_dir)
    session = Session(store, options.device, Limits(max_steps=options.max_steps, max_seconds=options.max_seconds))
    demo = None
    try:
        # Here and not above: the worker gets ready while gradio is imported, which takes seconds.
        from explorer import ui

        demo = ui.build(session, store)
        address = ui.launch(demo, session, store, host=options.host, port=options.port, share=options.share,
                            root_path=options.root_path)  # fmt: skip
        print(f"Mixed-Precision Explorer is at {address} (Ctrl-C stops it)", flush=True)
        threading.Event().wait()
    finally:
        # The streams end first: the server waits for open ones.
        session.close()
        if demo is not None:
            demo.close()
        store.close()


def main() -> int:
    """Serve until Ctrl-C or a signal to end; the exit status."""
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(options)
    except KeyboardInterrupt:
        return 0
    except InputError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
