// Ages count on by themselves between two messages. The sentences are those of
// the server (format.go).

export function ago(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < 1) return 'just now';
  if (s < 90) return `${s} s ago`;
  if (s < 90 * 60) return `${Math.floor((s + 30) / 60)} min ago`;
  if (s < 36 * 3600) return `${Math.floor((s + 1800) / 3600)} h ago`;
  return `${Math.floor((s + 12 * 3600) / (24 * 3600))} days ago`;
}

/** Every element with data-age says how old it was when it was written. */
const written = new WeakMap<Element, { age: string; since: number }>();

/** The age in seconds now, by this device's own clock since it was written. */
export function ageOf(el: HTMLElement): number | undefined {
  const age = el.dataset['age'];
  if (age === undefined) return undefined;
  let w = written.get(el);
  if (!w || w.age !== age) {
    w = { age, since: performance.now() };
    written.set(el, w);
  }
  return Number(age) + (performance.now() - w.since) / 1000;
}

export function setAge(el: HTMLElement, seconds: number | null): void {
  written.delete(el);
  if (seconds === null) delete el.dataset['age'];
  else el.dataset['age'] = String(seconds);
}

/** Keeps the ages in the list of devices true. */
export function tickTimes(): void {
  for (const el of document.querySelectorAll<HTMLElement>('time[data-age]')) {
    const seconds = ageOf(el);
    if (seconds !== undefined) say(el, ago(seconds));
  }
}

/** Sets a text only when it changes. */
export function say(el: Element, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}
