/** What is going on before a run's first event: the worker starts, or other runs come first. */

const EVERY = 1000;

/** The words for a run that has not begun. */
function words(health, position) {
  if (health?.worker === "starting") return "Starting PyTorch …";
  if (health?.worker === "down") return "The worker is being started again …";
  if (position > 0) return `Waiting for its turn: ${position === 1 ? "one run comes" : `${position} runs come`} first.`;
  return "Preparing the run …";
}

/**
 * @param {Record<string, (...args: any[]) => Promise<any>>} server functions of the page's component
 */
export function atRest(server) {
  let timer = 0;
  let current = 0;

  return {
    /**
     * @param {string} id
     * @param {number} position how many runs come first, as far as is known
     * @param {(words: string) => void} say
     */
    start(id, position, say) {
      const mine = ++current;
      say(words(null, position));
      const ask = async () => {
        const [health, status] = await Promise.all([
          fetch(new URL("healthz", document.baseURI)).then((answer) => answer.json()).catch(() => null),
          server?.run_status?.(id).catch(() => null),
        ]);
        if (mine !== current) return;
        say(words(health, status?.position ?? position));
        timer = setTimeout(ask, EVERY);
      };
      timer = setTimeout(ask, 300);
    },
    stop() {
      current++;
      clearTimeout(timer);
    },
  };
}
