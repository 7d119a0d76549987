// The list of devices comes ready made; what was opened in it stays open.

export function showList(html: string): void {
  const list = document.getElementById('list');
  if (!list || list.innerHTML === html) return;
  const id = (el: Element | null) => el?.closest<HTMLElement>('[data-device]')?.dataset['device'];
  const open = new Set([...list.querySelectorAll('details[open]')].map(id));
  const focused = list.contains(document.activeElement) ? id(document.activeElement) : undefined;
  list.innerHTML = html;
  for (const el of list.querySelectorAll('details')) {
    el.open = open.has(id(el));
    if (focused !== undefined && id(el) === focused) el.querySelector('summary')?.focus({ preventScroll: true });
  }
}
