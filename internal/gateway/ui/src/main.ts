// What happens on a page after it was shown: it keeps itself true.
import { tickTimes } from './age.ts';
import { showHealth, showLost, type Health } from './health.ts';
import { NowPage, type Now } from './now.ts';
import { showList } from './devices.ts';
import { ledgerPage } from './ledger.ts';
import { tickCountdown } from './pair.ts';
import { follow, type Handlers } from './stream.ts';
import { awaitReturn, backupPage, followState, logsPage, updatePage } from './system.ts';

const page = document.body.dataset['page'];
const handlers: Handlers = { health: (h) => showHealth(h as Health) };
let url = '/events';

if (page === 'now') {
  const main = document.querySelector<HTMLElement>('main');
  if (main) {
    const now = new NowPage(main);
    handlers['now'] = (n) => now.show(n as Now);
    window.setInterval(() => now.tick(), 1000);
  }
}
if (page === 'devices') {
  url = '/events?view=devices';
  handlers['list'] = (html) => showList(html as string);
  window.setInterval(tickTimes, 1000);
}
if (page === 'pair') {
  url = '/events?view=pairing';
  handlers['list'] = (html) => showList(html as string);
  window.setInterval(tickCountdown, 250);
}
if (page === 'system' || page === 'destinations' || page === 'tailnet') void followState();
if (page === 'update') updatePage();
if (page === 'backup') backupPage();
if (page === 'ledger') ledgerPage();
if (page === 'logs') void logsPage();
if (page === 'wait') void awaitReturn();
follow(url, handlers, showLost);
