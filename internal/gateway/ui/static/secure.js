// A page that came in the clear asks whether this browser trusts the appliance's
// certificate, and goes over to the same page with HTTPS once it does. A browser
// that does not is not asked again for an hour, but on the page about just that,
// where it is asked every few seconds.
const better = document.querySelector('meta[name="hems-https"]')?.content;
const waits = document.querySelector('[data-await-https]');
const key = 'hems-https-tried';
const hour = 3600e3;

async function look() {
  try {
    await fetch(better + '/healthz', { cache: 'no-store', credentials: 'omit' });
  } catch {
    return false;
  }
  location.replace(better + location.pathname + location.search + location.hash);
  return true;
}

function tried() {
  try {
    return Number(localStorage.getItem(key)) || 0;
  } catch {
    return 0; // no storage: once a page
  }
}

async function watch() {
  if (!waits && Date.now() - tried() < hour) return;
  if (await look()) return;
  try {
    localStorage.setItem(key, String(Date.now()));
  } catch { /* asked again with the next page */ }
  if (waits) setTimeout(() => { if (document.visibilityState === 'visible') watch(); }, 5000);
}

if (better) {
  watch();
  if (waits) document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') watch(); });
}
