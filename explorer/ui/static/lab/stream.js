/**
 * A run's event stream, kept open only while the page is seen.
 *
 * A browser opens six connections to a host, and a live stream holds one: a hidden tab gives its own back, and takes
 * up where it left when it is shown again. An `EventSource` closes for good, without a word, on any answer but 200, so
 * what it means is asked for.
 */

/** Milliseconds between attempts to reach a server that does not answer. */
const RETRY = 1500;

/**
 * @param {object} options
 * @param {string} options.id the run's id
 * @param {() => number} options.last number of the last event that is known
 * @param {(frame: object) => "applied" | "known" | "gap"} options.onFrame
 * @param {() => void} options.onGap the stream starts over: forget what is known
 * @param {() => void} options.onEnd
 * @param {(state: "open" | "lost" | "unknown") => void} options.onState `unknown`: the server has no such run
 * @returns {{close: () => void}}
 */
export function openStream({ id, last, onFrame, onGap, onEnd, onState }) {
  const base = new URL(`runs/${encodeURIComponent(id)}/`, document.baseURI);
  /** @type {EventSource | null} */
  let source = null;
  let timer = 0;
  let over = false;

  function connect() {
    clearTimeout(timer);
    if (over || source || document.hidden) return;
    const address = new URL("events", base);
    if (last() >= 0) address.searchParams.set("after", String(last()));
    source = new EventSource(address);
    source.addEventListener("open", () => onState("open"));
    source.addEventListener("frame", (message) => {
      if (over || onFrame(JSON.parse(message.data)) !== "gap") return;
      onGap();
      reconnect();
    });
    source.addEventListener("end", () => {
      close();
      onEnd();
    });
    source.addEventListener("error", lost);
  }

  function disconnect() {
    source?.close();
    source = null;
  }

  function reconnect() {
    disconnect();
    connect();
  }

  async function lost() {
    if (over) return;
    onState("lost");
    // Not left to the browser: it would ask with the number of the last frame, not of what was applied since.
    disconnect();
    const status = await statusOf(new URL(`../${encodeURIComponent(id)}.jsonl`, base));
    if (over) return;
    if (status === 404) {
      close();
      onState("unknown");
    } else {
      timer = setTimeout(connect, RETRY);
    }
  }

  function seen() {
    if (document.hidden) disconnect();
    else connect();
  }

  function close() {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
    disconnect();
  }

  document.addEventListener("visibilitychange", seen);
  connect();
  return { close };
}

/** The status with which an address answers, its body unread; 0 where nothing answers. */
async function statusOf(address) {
  const leave = new AbortController();
  const status = await fetch(address, { signal: leave.signal }).then((answer) => answer.status, () => 0);
  leave.abort();
  return status;
}
