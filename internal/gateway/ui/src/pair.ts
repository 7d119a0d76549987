// How long the home still listens counts down by itself between two messages.
import { say } from './age.ts';

let shown: Element | null = null;
let end = 0;

export function tickCountdown(): void {
  const el = document.querySelector<HTMLElement>('[data-left]');
  if (el !== shown) {
    shown = el;
    end = performance.now() + Number(el?.dataset['left']) * 1000;
  }
  const clock = el?.querySelector('[data-clock]');
  if (!clock) return;
  const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
  say(clock, `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`);
}
