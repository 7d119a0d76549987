// Passkeys: the browser answers a challenge of the appliance's, to sign in or to
// make one. Without this script the password does.
const button = document.getElementById('passkey');
const error = document.getElementById('passkey-error');

const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');

async function ask(url, body) {
  const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

const ids = (list) => (list ?? []).map((c) => ({ ...c, id: bytes(c.id) }));

async function make(o) {
  const key = { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: ids(o.excludeCredentials) };
  const c = await navigator.credentials.create({ publicKey: key });
  return { attestationObject: text(c.response.attestationObject), clientDataJSON: text(c.response.clientDataJSON), c };
}

async function use(o) {
  const c = await navigator.credentials.get({ publicKey: { ...o, challenge: bytes(o.challenge), allowCredentials: ids(o.allowCredentials) } });
  const r = c.response;
  return { authenticatorData: text(r.authenticatorData), clientDataJSON: text(r.clientDataJSON), signature: text(r.signature), userHandle: r.userHandle ? text(r.userHandle) : undefined, c };
}

if (button && window.PublicKeyCredential) {
  button.hidden = false;
  const name = document.getElementById('passkey-name');
  button.addEventListener('click', async () => {
    error.textContent = '';
    if (name && !name.reportValidity()) return;
    button.disabled = true;
    try {
      const { publicKey } = await ask(button.dataset.begin, name ? { name: name.value } : {});
      const { c, ...response } = await (name ? make : use)(publicKey);
      const { next } = await ask(button.dataset.finish, { id: c.id, rawId: text(c.rawId), type: c.type, response });
      location.assign(next);
    } catch (e) {
      error.textContent = e instanceof DOMException ? button.dataset.given : e.message;
      button.disabled = false;
    }
  });
}
