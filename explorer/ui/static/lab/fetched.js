/** What frames leave out, fetched by the panel that shows it, and again while the run goes on. */

/** Milliseconds between two looks at a run that goes on. */
const EVERY = 2000;

/**
 * @param {string} kind `gradients`, `updates`, `operations` or `timeline`
 * @param {(run: import("./run.js").Run) => number} version grows when there is something new to be fetched
 * @param {() => void} onChange
 */
export function createFetched(kind, version, onChange) {
  /** @type {import("./run.js").Run | null} */
  let run = null;
  let lanes = null;
  let failed = false;
  let known = -1;
  let asked = 0;
  let timer = 0;
  let busy = false;

  function forget(next) {
    run = next;
    lanes = null;
    failed = false;
    known = -1;
    asked = 0;
    clearTimeout(timer);
    timer = 0;
  }

  function look(next) {
    if (next !== run) forget(next);
    if (busy || timer || !run.started || version(run) <= known) return;
    const wait = run.ended ? 0 : Math.max(0, asked + EVERY - performance.now());
    timer = setTimeout(ask, wait);
  }

  async function ask() {
    timer = 0;
    busy = true;
    asked = performance.now();
    const mine = run;
    const wanted = version(run);
    const address = new URL(`runs/${encodeURIComponent(run.id)}/${kind}.json`, document.baseURI);
    const answer = await fetch(address)
      .then((response) => (response.ok ? response.json() : null))
      .catch(() => null);
    busy = false;
    if (mine !== run) return look(run);
    failed = answer === null;
    if (failed) known = Math.max(known, run.ended ? wanted : known);
    else {
      lanes = answer.lanes;
      known = wanted;
    }
    onChange();
    look(run);
  }

  return {
    /** Fetch what is new in a run, soon. */
    look,
    /** What there is of each lane; null before the first answer. */
    get lanes() {
      return lanes;
    },
    /**
     * Words in place of the panel.
     * @param {boolean} has whether there is something to show
     * @param {string} nothing said of a run that has ended without
     */
    empty(has, nothing) {
      if (has) return "";
      if (failed) return `The server did not answer. ${run?.ended ? "Reload the page." : "Trying again …"}`;
      if (run?.ended && lanes) return nothing;
      return run?.started ? (lanes ? "Not sampled yet …" : "Loading …") : null;
    },
  };
}
