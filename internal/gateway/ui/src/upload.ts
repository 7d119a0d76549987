// A file on its way to the appliance, with how far it is. fetch does not say;
// XMLHttpRequest does.
import { say } from './age.ts';

/** What the appliance answers to what it does not take. */
interface Refusal {
  error?: string;
  hint?: string;
}

/** A form with one file, and what stands in its place while that is sent. */
export function enhanceUpload(form: HTMLFormElement, body: (form: HTMLFormElement, file: File) => { url: string; data: Blob | FormData }, accepted: () => void): void {
  const sending = document.getElementById('sending');
  const problem = document.getElementById('sent-problem');
  const file = form.querySelector<HTMLInputElement>('input[type=file]');
  if (!sending || !problem || !file) return;
  const words = form.dataset;
  const bar = sending.querySelector('progress');
  const clock = sending.querySelector('[data-clock]');

  const refuse = (what: string, todo: string): void => {
    sending.hidden = true;
    form.hidden = false;
    problem.hidden = false;
    const [p, t] = [problem.querySelector('.what'), problem.querySelector('.todo')];
    if (p) say(p, sentence(what));
    if (t) say(t, sentence(todo));
    problem.scrollIntoView({ block: 'nearest' });
  };

  form.addEventListener('submit', (e) => {
    e.preventDefault();
    const chosen = file.files?.[0];
    if (!chosen) return;
    if (chosen.size > Number(words['most'])) return refuse(words['large'] ?? '', words['largeHint'] ?? '');
    problem.hidden = true;
    form.hidden = true;
    sending.hidden = false;
    const { url, data } = body(form, chosen);
    const x = new XMLHttpRequest();
    x.open('POST', url);
    x.upload.onprogress = (p) => {
      if (!p.lengthComputable) return;
      const part = (100 * p.loaded) / p.total;
      if (bar) bar.value = part;
      if (clock) say(clock, `${Math.floor(part)} %`);
    };
    x.onerror = () => refuse(words['broken'] ?? '', words['brokenHint'] ?? '');
    x.onload = () => {
      if (x.status === 401) return location.reload();
      if (x.status >= 200 && x.status < 300) {
        window.removeEventListener('beforeunload', stay);
        return accepted();
      }
      window.removeEventListener('beforeunload', stay);
      const r = read(x.responseText);
      refuse(r.error || x.statusText, r.hint ?? '');
    };
    x.onloadend = () => window.removeEventListener('beforeunload', stay);
    window.addEventListener('beforeunload', stay); // leaving would end it
    x.send(data);
  });
}

function stay(e: BeforeUnloadEvent): void {
  e.preventDefault();
}

function read(text: string): Refusal {
  try {
    return JSON.parse(text) as Refusal;
  } catch {
    return {};
  }
}

/** What a program is told in lower case, as it stands on a page. */
function sentence(s: string): string {
  if (s === '') return s;
  const t = s.charAt(0).toUpperCase() + s.slice(1);
  return /[.?!:)]$/.test(t) ? t : `${t}.`;
}
