// The pages about the appliance itself: they keep themselves true, go through a
// restart of the appliance, and come back by themselves.
import { showList } from './devices.ts';
import { enhanceUpload } from './upload.ts';

/** A piece of this page as the appliance makes it now; undefined while it is away. */
async function part(name: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${location.pathname}?part=${name}`, { headers: { Accept: 'text/html' }, redirect: 'manual', signal: AbortSignal.timeout(8_000) });
    if (answer.type === 'opaqueredirect') {
      location.reload(); // signed out
      return undefined;
    }
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => window.setTimeout(done, ms));
}

/** What the line at the top says while the appliance is away on purpose. */
function expectRestart(el: HTMLElement | null): void {
  const line = document.getElementById('health');
  if (!el || !line) return;
  line.dataset['lost'] = el.dataset['restarts'] ?? '';
  line.dataset['lostHint'] = el.dataset['restartsHint'] ?? '';
}

/** The list of the page, such as the state of everything, every few seconds while the page is seen. */
export async function followState(): Promise<void> {
  const list = document.getElementById('list');
  const every = Number(list?.dataset['every'] ?? 3) * 1000;
  const name = list?.dataset['part'] ?? 'state-part';
  for (;;) {
    await sleep(every);
    if (document.hidden) continue;
    const html = await part(name);
    if (html !== undefined) showList(html);
  }
}

/** An update: sent, then watched through the restart to its verdict. */
export function updatePage(): void {
  const list = document.getElementById('list');
  const form = document.getElementById('send');
  if (form instanceof HTMLFormElement) {
    enhanceUpload(
      form,
      (f, file) => ({ url: (f.dataset['url'] ?? '') + (new FormData(f).has('older') ? '?older=1' : ''), data: file }),
      () => location.reload(),
    );
  }
  if (list?.querySelector('[data-busy], [data-away]')) void followUpdate(list);
}

async function followUpdate(list: HTMLElement): Promise<void> {
  expectRestart(list);
  for (;;) {
    await sleep(1000);
    const html = await part('update-part');
    if (html === undefined || html.includes('data-away')) continue; // restarting
    showList(html);
    if (!list.querySelector('[data-busy]')) break;
  }
  location.reload(); // with the verdict at its top
}

/** The passphrases are compared before the form goes; a backup to be taken in shows how far it is. */
export function backupPage(): void {
  const make = document.getElementById('make');
  if (make instanceof HTMLFormElement) {
    const [one, two] = [make.querySelector<HTMLInputElement>('[name=passphrase]'), make.querySelector<HTMLInputElement>('[name=again]')];
    const compare = () => two?.setCustomValidity(one?.value === two.value ? '' : (make.dataset['differ'] ?? ''));
    make.addEventListener('input', compare);
  }
  const form = document.getElementById('restore');
  if (!(form instanceof HTMLFormElement)) return;
  enhanceUpload(
    form,
    (f, file) => {
      const data = new FormData(); // the passphrase first: the archive is opened as it arrives
      data.append('passphrase', f.querySelector<HTMLInputElement>('[name=passphrase]')?.value ?? '');
      data.append('file', file);
      return { url: f.dataset['url'] ?? '', data };
    },
    () => {
      const what = document.querySelector('#sending [data-what]');
      if (what) what.textContent = form.dataset['wait'] ?? '';
      void awaitReturn();
    },
  );
}

/** Waits until the appliance has been away and is back, then goes to the first page. */
export async function awaitReturn(): Promise<void> {
  expectRestart(document.getElementById('wait'));
  let away = false;
  for (let i = 0; ; i++) {
    await sleep(2000);
    try {
      const answer = await fetch('/healthz', { signal: AbortSignal.timeout(5_000) });
      if ((away || i > 30) && (answer.ok || answer.status === 503)) break;
    } catch {
      away = true;
    }
  }
  location.assign('/');
}

/** The log, line by line as it is written. */
export async function logsPage(): Promise<void> {
  const log = document.getElementById('log');
  const follow = document.getElementById('follow');
  const tick = follow?.querySelector('input');
  if (!log || !follow || !tick) return;
  const most = 200_000; // characters kept
  follow.hidden = false;
  log.scrollTop = log.scrollHeight;
  for (;;) {
    let first = true;
    try {
      const answer = await fetch(log.dataset['url'] ?? '');
      if (answer.status === 401) return location.reload();
      const reader = answer.ok ? answer.body?.pipeThrough(new TextDecoderStream()).getReader() : undefined;
      for (; reader;) {
        const { done, value } = await reader.read();
        if (done) break;
        const text = first ? value : log.textContent + value; // it begins with the last lines again
        first = false;
        log.textContent = text.length > most ? text.slice(text.indexOf('\n', text.length - most) + 1) : text;
        if (tick.checked) log.scrollTop = log.scrollHeight;
      }
    } catch {
      // away: it is asked again
    }
    await sleep(3000);
  }
}
