// The state of everything in one line, and what to do when it is not well.
import { say } from './age.ts';

export interface Health {
  ok: boolean;
  message?: string;
  hint?: string;
  detail?: string;
}

const line = document.getElementById('health');
const notice = document.getElementById('notice');
let known: Health | undefined;
let away = false;

export function showHealth(h: Health): void {
  known = h;
  render();
}

/** The stream is away: nothing on the page is news. */
export function showLost(lost: boolean): void {
  if (lost === away) return;
  away = lost;
  document.body.classList.toggle('lost', lost);
  render();
}

function render(): void {
  if (!line || !notice) return;
  const d = line.dataset;
  const h: Health = away ? { ok: false, message: d['lost'] ?? '', hint: d['lostHint'] ?? '' } : (known ?? { ok: true });
  d['ok'] = String(h.ok);
  notice.hidden = h.ok;
  if (h.ok) document.querySelector('[data-until-well]')?.remove();
  const [what, todo] = [notice.querySelector('[data-message]'), notice.querySelector('[data-hint]')];
  if (what) say(what, h.message ?? '');
  if (todo) say(todo, h.hint ?? '');
  const technical = document.getElementById('technical') as HTMLDetailsElement | null;
  const detail = technical?.querySelector('[data-detail]');
  if (technical && detail) {
    technical.hidden = !h.detail;
    say(detail, h.detail ?? '');
  }
}
