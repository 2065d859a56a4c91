// Passkeys. Where this does not run, or the browser has none for this address, codes do.
const bytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), character => character.charCodeAt(0));
const base64url = buffer => buffer && btoa(Array.from(new Uint8Array(buffer), byte => String.fromCharCode(byte)).join('')).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const named = list => (list ?? []).map(one => ({ ...one, id: bytes(one.id) }));
const since = Date.now();
const longest = 9.5 * 60 * 1000;

// By hand, and not by toJSON: some password managers answer with objects that have none.
const json = ({ id, rawId, type, authenticatorAttachment, response }) => ({
  id, rawId: base64url(rawId), type, authenticatorAttachment, clientExtensionResults: {},
  response: {
    clientDataJSON: base64url(response.clientDataJSON),
    attestationObject: base64url(response.attestationObject),
    transports: response.getTransports?.(),
    authenticatorData: base64url(response.authenticatorData),
    signature: base64url(response.signature),
    userHandle: base64url(response.userHandle),
  },
});

const ask = options => options.rp
  ? navigator.credentials.create({
    publicKey: { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: named(options.excludeCredentials) },
  })
  : navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) } });

for (const part of document.querySelectorAll('[data-passkey]')) {
  const { state, options } = JSON.parse(part.dataset.passkey);
  if (!window.PublicKeyCredential || location.hostname !== (options.rp?.id ?? options.rpId)) continue;

  const button = part.querySelector('button');
  const status = part.querySelector('[role=status]');
  part.hidden = false;
  for (const other of document.querySelectorAll('[data-without-passkey]')) other.hidden = true;

  button.addEventListener('click', async () => {
    // A page that stood open for long has a challenge that is taken no more.
    if (Date.now() - since > longest && !part.closest('form').elements.second_factor) return location.reload();
    button.disabled = true;
    status.textContent = '';
    try {
      part.querySelector('[name=passkey]').value = JSON.stringify({ state, credential: json(await ask(options)) });
      const code = part.dataset.then === 'go-on' ? undefined : button.form.elements.otp;
      if (code) code.required = false;
      if (part.dataset.then === 'submit') return button.form.requestSubmit();
      if (code) code.disabled = true;
      status.textContent = 'The passkey was shown. Go on with the form.';
    } catch (error) {
      button.disabled = false;
      status.textContent = error.name === 'NotAllowedError' ? 'No passkey was shown.'
        : error.name === 'InvalidStateError' ? 'There is a passkey for this account here already.' : `That did not work: ${error.message}`;
    }
  });
}
