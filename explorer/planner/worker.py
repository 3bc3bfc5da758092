"""The planner's process, ``python -m explorer.planner.worker``: imports torch once and answers a question a line.

It reads ``{"ask": "plan" | "warning", "question": {…}}`` and writes ``{"answer": …}``, or ``{"refused": sentence,
"field": …}``; it ends when standard input does, even in the middle of a question.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from typing import Any

from explorer.errors import InputError

log = logging.getLogger("explorer.planner")

FAILED = "The planner failed on this model, and the server's log says why."


def answer(line: bytes) -> dict[str, Any]:
    """What is written for one line."""
    from explorer.planner.planning import plan
    from explorer.planner.warning import warning

    asked = json.loads(line)
    question = asked["question"]
    try:
        return {"answer": warning(**question) if asked["ask"] == "warning" else plan(question)}
    except InputError as error:
        return {"refused": str(error), "field": error.field}
    except Exception:
        log.exception("No plan for %.200s", line)
        return {"refused": FAILED, "field": "model"}


def _listen(questions: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        questions.put(line)
    # At once: nobody waits for the answer.
    os._exit(0)


def main() -> None:
    """Answer until nobody asks any more."""
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Whatever is printed goes to the log; the pipe is for answers alone.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Bursts have the machine; a plan computes nothing worth a second thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    while True:
        pipe.write(json.dumps(answer(questions.get())).encode() + b"\n")
        pipe.flush()


if __name__ == "__main__":
    main()
