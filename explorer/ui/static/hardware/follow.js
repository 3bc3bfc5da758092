/** Following a check: asked for again and again while it goes on and the page is seen, and once where it is over. */

const EVERY = 400;
const AFTER_FAILURE = 3000;

/**
 * @param {string} check its id
 * @param {(entry: object | null, problem?: string) => void} onNews
 * @returns {() => void} stops following
 */
export function follow(check, onNews) {
  let left = false;
  let timer = 0;
  let latest = null;

  async function look() {
    clearTimeout(timer);
    if (left || document.hidden) return;
    const answer = await fetch(new URL(`checks/${encodeURIComponent(check)}.json`, document.baseURI)).catch(() => null);
    if (left) return;
    if (answer?.ok) {
      latest = await answer.json();
      if (left) return;
      onNews(latest);
      if (latest.state === "queued" || latest.state === "running") timer = setTimeout(look, EVERY);
      else leave();
    } else if (answer?.status === 404) {
      onNews(null, (await answer.json()).detail);
      leave();
    } else {
      onNews(latest, "The server is not reached; trying again.");
      timer = setTimeout(look, AFTER_FAILURE);
    }
  }

  function leave() {
    left = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  }

  document.addEventListener("visibilitychange", look);
  look();
  return leave;
}
