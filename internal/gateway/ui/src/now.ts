// The first page: the figure, its age, today's kWh and the day's curve.
import { ago, ageOf, say, setAge } from './age.ts';
import { kWh, power, since } from './format.ts';
import { Chart } from './chart.ts';

export interface Now {
  stage: string;
  power_w: number | null;
  at: string | null;
  today_kwh: number | null;
  age_s: number | null;
}

export class NowPage {
  private readonly age = document.getElementById('age');
  private readonly chart = new Chart();
  private at: Date | undefined;

  constructor(private readonly main: HTMLElement) {
    const at = this.age?.dataset['at'];
    if (at) this.at = new Date(Number(at) * 1000);
  }

  show(n: Now): void {
    const meterCame = this.main.dataset['stage'] === 'none' && n.stage !== 'none';
    this.main.dataset['stage'] = n.stage;
    const p = power(n.power_w);
    set('power', p.number);
    set('power-unit', p.unit);
    set('today', kWh(n.today_kwh));
    this.at = n.at === null ? undefined : new Date(n.at);
    if (this.age) setAge(this.age, n.age_s);
    this.tick();
    if (meterCame) this.chart.refresh();
    if (n.power_w !== null && this.at && n.stage === 'live') this.chart.add(this.at, n.power_w);
  }

  /** Once a second. */
  tick(): void {
    if (!this.age) return;
    const words = this.age.dataset;
    const stage = this.main.dataset['stage'];
    const seconds = ageOf(this.age);
    let text = '';
    if (stage === 'waiting') text = words['waiting'] ?? '';
    else if (seconds === undefined || !this.at) text = words['unknown'] ?? '';
    else if (stage === 'gone') text = (words['gone'] ?? '') + since(this.at);
    else text = ago(seconds);
    say(this.age, text);
  }
}

function set(id: string, text: string): void {
  const el = document.getElementById(id);
  if (el) say(el, text);
}
