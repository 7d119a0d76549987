// The list of devices, or the steps of a pairing, comes ready made; what was
// opened in it stays open, and what had the focus keeps it.

export function showList(html: string): void {
  const list = document.getElementById('list');
  if (!list || list.innerHTML === html) return;
  const id = (el: Element | null) => {
    const row = el?.closest<HTMLElement>('[data-device], [data-key]');
    return row?.dataset['device'] ?? row?.dataset['key'];
  };
  const open = new Set([...list.querySelectorAll('details[open]')].map(id));
  const active = list.contains(document.activeElement) ? document.activeElement : null;
  const focused = id(active);
  const button = active instanceof HTMLButtonElement ? active.value : undefined;
  list.innerHTML = html;
  // The button that was there, or the one in its place.
  if (button !== undefined) (list.querySelector<HTMLElement>(`button[value="${button}"]`) ?? list.querySelector('button'))?.focus({ preventScroll: true });
  for (const el of list.querySelectorAll('details')) {
    el.open = open.has(id(el));
    if (focused !== undefined && id(el) === focused) el.querySelector('summary')?.focus({ preventScroll: true });
  }
}
