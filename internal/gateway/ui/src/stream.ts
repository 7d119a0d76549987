// One stream of server-sent events, open while the page can be seen: a hidden
// page costs the phone's battery and one of the browser's few connections.

export type Handlers = Record<string, (data: unknown) => void>;

/** How long the stream may be away before the page says so. */
const patience = 5_000;

/** How many signs of life in a row may be missing. */
const missed = 2.5;
/** A busy moment of the device is no silence. */
const busy = 2_000;

export function follow(url: string, handlers: Handlers, lost: (away: boolean) => void): void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  let retry: number | undefined;
  let every = 15; // seconds between two signs of life, as the server says
  let heard = 0; // when the last event came, or was first waited for

  const away = (): void => {
    timer ??= window.setTimeout(() => lost(true), patience);
  };
  const here = (): void => {
    window.clearTimeout(timer);
    timer = undefined;
    lost(false);
  };
  const close = (): void => {
    source?.close();
    source = undefined;
    window.clearTimeout(retry);
    window.clearTimeout(timer);
    timer = undefined;
  };
  const open = (): void => {
    close();
    const s = new EventSource(url);
    source = s;
    heard = performance.now();
    s.addEventListener('beat', (e) => {
      heard = performance.now();
      every = (JSON.parse((e as MessageEvent<string>).data) as { every_s: number }).every_s;
    });
    s.onopen = here;
    s.onerror = () => {
      away();
      if (s.readyState !== EventSource.CLOSED) return; // it comes back by itself
      // The answer was not a stream: signed out (then the page leads to the
      // sign-in), or the appliance is starting.
      retry = window.setTimeout(() => void again(), 5_000);
    };
    for (const [name, handle] of Object.entries(handlers)) {
      s.addEventListener(name, (e) => handle(JSON.parse((e as MessageEvent<string>).data)));
    }
  };
  const again = async (): Promise<void> => {
    try {
      const answer = await fetch('/api/v1/now');
      if (answer.status === 401) {
        location.reload();
        return;
      }
    } catch {
      // still away
    }
    if (!document.hidden) open();
  };

  // A phone that left the Wi-Fi is not told that its line is dead.
  window.setInterval(() => {
    if (!source || source.readyState === EventSource.CLOSED || performance.now() - heard < Math.max(missed * every * 1000, busy)) return;
    lost(true);
    open();
  }, 1000);
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (e) => e.persisted && open());
  if (!document.hidden) open();
}
