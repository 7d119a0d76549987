// The page about files of ESB Networks: a file is sent with how far it is, also
// when it is dropped anywhere on its card.
import { enhanceUpload } from './upload.ts';

export function ledgerPage(): void {
  const form = document.getElementById('send');
  const file = form?.querySelector<HTMLInputElement>('input[type=file]');
  if (!(form instanceof HTMLFormElement) || !file) return;
  enhanceUpload(
    form,
    (f, chosen) => ({ url: f.dataset['url'] ?? '', data: chosen }),
    () => location.replace(location.pathname),
  );
  file.addEventListener('change', () => {
    if (file.files?.length) form.requestSubmit();
  });
  const card = form.closest('.card') ?? form;
  const over = (e: Event, is: boolean): void => {
    e.preventDefault();
    card.toggleAttribute('data-over', is);
  };
  card.addEventListener('dragover', (e) => over(e, true));
  card.addEventListener('dragleave', (e) => over(e, false));
  card.addEventListener('drop', (e) => {
    over(e, false);
    const dropped = (e as DragEvent).dataTransfer?.files;
    if (!dropped?.length) return;
    file.files = dropped;
    form.requestSubmit();
  });
}
