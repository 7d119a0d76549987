// Numbers and times as people read them; the server writes them the same way
// (format.go).

export interface Figure {
  number: string;
  unit: string;
}

const minus = '\u2212'; // as wide as a digit, unlike the hyphen

function fixed(v: number, decimals: number): string {
  const [whole = '', part] = Math.abs(v).toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const text = part === undefined ? grouped : `${grouped}.${part}`;
  return v < 0 && Number(v.toFixed(decimals)) !== 0 ? minus + text : text;
}

export function power(w: number | null): Figure {
  if (w === null) return { number: '–', unit: 'W' };
  if (Math.abs(Math.round(w)) < 10_000) return { number: fixed(Math.round(w), 0), unit: 'W' };
  return { number: fixed(w / 1000, 2), unit: 'kW' };
}

export function kWh(v: number | null): string {
  if (v === null) return '–';
  const a = Math.abs(v);
  return fixed(v, a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2);
}

/** The home's time zone; the device's own where the server names none. */
const zone = document.body.dataset['zone'] || undefined;

const hourMinute = new Intl.DateTimeFormat('en-IE', { hour: '2-digit', minute: '2-digit', hour12: false, timeZone: zone });
const day = new Intl.DateTimeFormat('en-IE', { weekday: 'short', timeZone: zone });
const date = new Intl.DateTimeFormat('en-IE', { dateStyle: 'short', timeZone: zone });

export function clock(at: Date): string {
  return hourMinute.format(at);
}

/** The time, with the day when it was another day. */
export function since(at: Date): string {
  const now = new Date();
  if (date.format(at) === date.format(now)) return clock(at);
  const days = (now.getTime() - at.getTime()) / 86_400_000;
  return days < 6 ? `${day.format(at)} ${clock(at)}` : date.format(at);
}

/** Minutes after midnight in the home's time zone. */
export function minutes(at: Date): number {
  const [h = '0', m = '0'] = clock(at).split(':');
  return (Number(h) % 24) * 60 + Number(m);
}
