// Methods and bodies that a plain form cannot send. What comes back is the page to show.
for (const form of document.querySelectorAll('form[data-method]')) {
  form.hidden = false;
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    const headers = { Accept: 'text/html', [document.body.dataset.csrfHeader]: form.elements.csrfmiddlewaretoken.value };
    const content = form.elements._content;
    if (content) headers['Content-Type'] = form.elements._content_type.value;
    try {
      const response = await fetch(form.action, { method: form.dataset.method, headers, body: content ? content.value : undefined });
      const page = await response.text();
      if (!response.headers.get('Content-Type')?.startsWith('text/html')) return location.reload();
      document.open();
      document.write(page);
      document.close();
    } catch (error) {
      button.disabled = false;
      const message = form.querySelector('[role=alert]') ?? form.appendChild(document.createElement('p'));
      message.setAttribute('role', 'alert');
      message.textContent = `The server did not answer: ${error.message}`;
    }
  });
}
