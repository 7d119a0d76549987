// The page of an appliance without an owner: a password that can be shown needs
// to be typed once.
const password = document.getElementById('password');
const again = document.getElementById('again');
const show = document.getElementById('show');
if (password && again && show) {
  again.parentElement.remove();
  show.hidden = false;
  show.addEventListener('click', () => {
    const shown = password.type === 'text';
    password.type = shown ? 'password' : 'text';
    show.setAttribute('aria-pressed', String(!shown));
    password.focus();
  });
}
