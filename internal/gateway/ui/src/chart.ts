// The day's curve: the mean of each bucket as a line, from its least to its
// most as a band. The axes are there before any data, and stay.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clock, minutes, power } from './format.ts';
import { say } from './age.ts';

interface Curve {
  from: number;
  to: number;
  step_s: number;
  time: number[];
  min: number[];
  mean: number[];
  max: number[];
}

/** Three missed reports at the slowest a meter may report make a gap. */
const gap = 15 * 60;
const refreshEvery = 60_000;

export class Chart {
  private readonly box = document.getElementById('chart');
  private readonly readout = document.getElementById('readout');
  private plot: uPlot | undefined;
  private curve: Curve = { from: 0, to: 0, step_s: 300, time: [], min: [], mean: [], max: [] };
  private live: { time: number; value: number } | undefined;
  private touched = false;

  constructor() {
    if (!this.box) return;
    const text = document.getElementById('curve-data')?.textContent;
    if (text) this.curve = JSON.parse(text) as Curve;
    this.make();
    new ResizeObserver(() => this.resize()).observe(this.box);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => this.plot?.redraw(false, true));
    window.setInterval(() => !document.hidden && this.refresh(), refreshEvery);
    document.addEventListener('visibilitychange', () => !document.hidden && this.refresh());
  }

  /** The newest reading, before the server's buckets have it. */
  add(at: Date, value: number): void {
    this.live = { time: at.getTime() / 1000, value };
    this.draw();
  }

  refresh(): void {
    fetch('/api/v1/power?hours=24')
      .then((answer) => (answer.ok ? (answer.json() as Promise<Curve>) : undefined))
      .then((curve) => {
        if (!curve) return;
        this.curve = curve;
        this.draw();
      })
      .catch(() => undefined); // the next one will do; the health line tells
  }

  private make(): void {
    const box = this.box;
    if (!box) return;
    const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const font = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
    const axis: uPlot.Axis = {
      stroke: () => css('--quiet'),
      font,
      ticks: { show: false },
      grid: { stroke: () => css('--line'), width: 1 },
    };
    const hidden: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };
    this.plot = new uPlot(
      {
        width: box.clientWidth,
        height: box.clientHeight,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: true, range: () => [this.curve.from, Math.max(this.curve.to, this.curve.from + 1)] },
          y: { range: (_u, lo, hi) => nice(lo, hi) },
        },
        axes: [
          { ...axis, size: 28, gap: 4, grid: { show: false }, splits: (u) => this.hours(u), values: (_u, at) => at.map((s) => clock(new Date(s * 1000))) },
          { ...axis, size: 48, gap: 6, splits: (_u, _i, lo, hi) => steps(lo, hi), values: (_u, vs) => vs.map(label) },
        ],
        series: [
          {},
          hidden,
          hidden,
          {
            stroke: () => css('--accent'),
            width: 1.75,
            points: { show: false, filter: (u) => alone(u.data[3]), size: 6, width: 0, fill: () => css('--accent') },
          },
        ],
        bands: [{ series: [2, 1], fill: () => css('--band') }],
        cursor: {
          y: false,
          drag: { setScale: false, x: false, y: false },
          points: { size: 9, width: 2, stroke: (_u, i) => (i === 3 ? css('--accent') : 'transparent'), fill: (_u, i) => (i === 3 ? css('--sheet') : 'transparent') },
        },
        hooks: { setCursor: [() => this.say()] },
      },
      this.data(),
      box,
    );
    this.touch(this.plot.over);
    box.addEventListener('keydown', (e) => this.key(e));
    box.addEventListener('blur', () => this.clear());
    this.say();
  }

  /** A finger drags the cursor sideways; up and down still scrolls the page. */
  private touch(over: HTMLElement): void {
    const move = (e: TouchEvent): void => {
      const t = e.touches[0];
      if (!t) return;
      this.touched = true;
      this.plot?.setCursor({ left: t.clientX - over.getBoundingClientRect().left, top: 0 });
    };
    over.addEventListener('touchstart', move, { passive: true });
    over.addEventListener('touchmove', move, { passive: true });
    over.addEventListener('touchend', () => window.setTimeout(() => this.touched && this.clear(), 3_000), { passive: true });
  }

  private key(e: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    const u = this.plot;
    if (e.key === 'Escape') this.clear();
    if (step === undefined || !u) return;
    e.preventDefault();
    const mean = u.data[3] ?? [];
    let i = u.cursor.idx ?? (step < 0 ? mean.length : -1);
    do i += step;
    while (i >= 0 && i < mean.length && mean[i] == null);
    const at = u.data[0][i];
    if (at !== undefined) u.setCursor({ left: u.valToPos(at, 'x'), top: 0 });
  }

  private clear(): void {
    this.touched = false;
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  private data(): uPlot.AlignedData {
    const c = this.curve;
    const out: [number[], (number | null)[], (number | null)[], (number | null)[]] = [[], [], [], []];
    const put = (t: number, min: number | null, max: number | null, mean: number | null): void => {
      const before = out[0][out[0].length - 1];
      if (mean !== null && before !== undefined && t - before > gap) put(before + 1, null, null, null);
      out[0].push(t);
      out[1].push(min);
      out[2].push(max);
      out[3].push(mean);
    };
    if (this.live) c.to = Math.max(c.to, this.live.time);
    c.time.forEach((t, i) => put((t + Math.min(t + c.step_s, c.to)) / 2, c.min[i] ?? null, c.max[i] ?? null, c.mean[i] ?? null));
    const last = out[0][out[0].length - 1] ?? 0;
    if (this.live && this.live.time > last && this.live.time >= c.from) {
      put(this.live.time, this.live.value, this.live.value, this.live.value);
    }
    return out;
  }

  private draw(): void {
    this.plot?.setData(this.data());
    this.say();
  }

  private resize(): void {
    const [box, u] = [this.box, this.plot];
    if (box && u && (u.width !== box.clientWidth || u.height !== box.clientHeight)) u.setSize({ width: box.clientWidth, height: box.clientHeight });
  }

  /** The line above the curve: the bucket under the cursor, else the highest. */
  private say(): void {
    const u = this.plot;
    const el = this.readout;
    if (!u || !el) return;
    const [times, mins, maxs, means] = u.data as [number[], (number | null)[], (number | null)[], (number | null)[]];
    const i = u.cursor.idx;
    const mean = i == null ? null : means[i];
    if (i != null && mean != null) {
      const room = u.width >= 480 ? range(mins[i], maxs[i]) : '';
      say(el, `${clock(new Date((times[i] ?? 0) * 1000))} · ${watts(mean)}${room}`);
      return;
    }
    let best = -1;
    maxs.forEach((v, j) => {
      if (v !== null && (best < 0 || v > (maxs[best] ?? -Infinity))) best = j;
    });
    const words = el.dataset;
    const peak = maxs[best];
    if (peak == null) say(el, words['none'] ?? '');
    else say(el, `${words['highest']} ${watts(peak)} ${words['at']} ${clock(new Date((times[best] ?? 0) * 1000))}`);
  }

  /** Whole hours of the home's day: every 3, 4 or 6 of them, by the room. */
  private hours(u: uPlot): number[] {
    const every = u.width < 480 ? 6 : u.width < 720 ? 4 : 3;
    const out: number[] = [];
    const left = this.curve.from + ((this.curve.to - this.curve.from) * 16) / u.width; // clear of the other axis's zero
    for (let t = Math.ceil(left / 900) * 900; t <= this.curve.to; t += 900) {
      if (minutes(new Date(t * 1000)) % (every * 60) === 0) out.push(t);
    }
    return out;
  }
}

/** The points that no line shows: those without neighbours, and the newest. */
function alone(mean: ArrayLike<number | null | undefined> | undefined): number[] {
  const out: number[] = [];
  for (let i = 0; mean && i < mean.length; i++) {
    if (mean[i] != null && mean[i + 1] == null && (mean[i - 1] == null || i === mean.length - 1)) out.push(i);
  }
  return out;
}

function watts(w: number): string {
  const p = power(w);
  return `${p.number} ${p.unit}`;
}

function range(min: number | null | undefined, max: number | null | undefined): string {
  if (min == null || max == null || Math.round(max) - Math.round(min) < 1) return '';
  return ` (${power(min).number}–${watts(max)})`;
}

/** The y axis begins at zero (or below, when feeding in) and ends on a step. */
function nice(lo: number | null, hi: number | null): [number, number] {
  const top = Math.max(hi ?? 0, 900);
  const bottom = Math.min(lo ?? 0, 0);
  const s = step(top - bottom);
  return [Math.floor(bottom / s) * s, Math.ceil((top * 1.02) / s) * s];
}

function step(span: number): number {
  return [250, 500, 1000, 2000, 5000, 10_000].find((s) => span / s <= 4.2) ?? 20_000;
}

function steps(lo: number, hi: number): number[] {
  const s = step(hi - lo);
  const out: number[] = [];
  for (let v = Math.ceil(lo / s) * s; v <= hi; v += s) out.push(v);
  return out;
}

function label(v: number): string {
  if (v === 0) return '0';
  return v % 1000 === 0 ? `${v / 1000} kW` : v < 1000 && v > -1000 ? `${v} W` : `${v / 1000} kW`;
}
