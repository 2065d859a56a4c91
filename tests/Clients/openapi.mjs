// The OpenAPI document: linted by Redocly's rules, made into a client by openapi-typescript, compiled, and run against the server. Every answer
// that the client gets, and every answer in the recordings of the real stack, is compared with the document by ajv.
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { Described } from './lib/described.mjs';
import { end, equal, fail, flow, given, ok } from './lib/steps.mjs';

const server = given('SERVER');
const text = await (await fetch(`${server}/openapi.json`)).text();
const document = JSON.parse(text);
const described = new Described(document);

await flow('document', async step => {
  await step('no rule of Redocly is broken', async () => {
    // Django's paths end with a slash.
    const config = await createConfig({ extends: ['recommended'], rules: { 'no-path-trailing-slash': 'off' } });
    const problems = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
    if (problems.length > 0) fail(problems.map(one => `${one.ruleId} ${one.location[0]?.pointer}: ${one.message}`).join('; '));
  });
  await step('examples of answers and bodies fit their schemas', () => {
    const config = createConfig({ rules: { 'no-invalid-media-type-examples': 'error', 'no-invalid-schema-examples': 'error' } });
    return config.then(rules => lintFromString({ source: text, absoluteRef: 'openapi.json', config: rules })).then(problems => {
      if (problems.length > 0) fail(problems.map(one => `${one.location[0]?.pointer}: ${one.message}`).join('; '));
    });
  });
});

await flow('recordings', async step => {
  const folder = given('RECORDINGS');
  for (const part of ['scenarios', 'more']) {
    await step(`each answer in ${part} is described`, async () => {
      const wrong = new Set();
      let looked = 0;
      for (const name of (await readdir(join(folder, part))).filter(one => one.endsWith('.golden.json'))) {
        const goldens = JSON.parse(await readFile(join(folder, part, name)));
        const { scenarios } = JSON.parse(await readFile(join(folder, part, name.replace('.golden', ''))));
        for (const [i, scenario] of scenarios.entries()) {
          const requests = scenario.steps.filter(one => one.path);
          for (const golden of goldens[i].steps) {
            const request = requests.find(one => golden.step === (one.id ?? golden.step) && (one.id || golden.step.includes(one.path)));
            const method = request?.method ?? 'GET';
            const path = request?.path.split('?')[0];
            // Methods that nothing has, HTML pages and failures of the real stack are not what the document is about.
            if (!path || !described.pathOf(path) || !document.paths[described.pathOf(path)][method.toLowerCase()] || golden.status >= 500) continue;
            if (golden.headers['content-type'] !== 'application/json' || [301, 404].includes(golden.status)) continue;
            looked++;
            for (const why of described.refuse(method, path, golden.status, golden.headers['content-type'], golden.body, isPlaceholder)) wrong.add(`${name} ${scenario.name}, ${golden.step}: ${why}`);
          }
        }
      }
      ok(looked > 50, `only ${looked} answers were looked at`);
      console.log(`${looked} answers in ${part}`);
      if (wrong.size > 0) fail([...wrong].join('\n'));
    });
  }
});

// The program that a user of the document would write.
const program = `
import createClient from 'openapi-fetch';
import type { paths } from './api';

export async function run(baseUrl: string, username: string, password: string, seen: (method: string, response: Response) => Promise<void>): Promise<string[]> {
  const done: string[] = [];
  const api = createClient<paths>({ baseUrl });
  api.use({ async onResponse({ request, response }) { await seen(request.method, response.clone()); } });

  const registered = await api.POST('/api/accounts/register/', { body: { username, password, email: 'made@example.com' } });
  done.push('registered ' + registered.data!.username);
  const again = await api.POST('/api/accounts/register/', { body: { username, password } });
  done.push('refused ' + again.response.status);
  await api.POST('/api/accounts/login/', { body: { username, password } });
  await api.POST('/api/accounts/login/', { body: { username, password: 'wrong' } });
  const token = (await api.POST('/api-token-auth/', { body: { username, password } })).data!.token;
  const profile = await api.GET('/api/accounts/profile/', { headers: { Authorization: 'Token ' + token } });
  done.push('is ' + profile.data!.username);
  await api.GET('/api/accounts/profile/', { headers: { Accept: 'image/png' } });
  await api.GET('/api/accounts/profile/');
  await api.GET('/api/accounts/users/', { headers: { Authorization: 'Token ' + token } });
  const pair = (await api.POST('/api/token/', { body: { username, password } })).data!;
  const access = (await api.POST('/api/token/refresh/', { body: { refresh: pair.refresh } })).data!.access;
  done.push('verified ' + (await api.POST('/api/token/verify/', { body: { token: access } })).response.status);
  await api.POST('/api/token/verify/', { body: { token: 'no token' } });
  await api.GET('/api/accounts/profile/', { headers: { Authorization: 'Bearer ' + access } });
  await api.GET('/api/accounts/profile/', { headers: { Authorization: 'Bearer nonsense' } });
  await api.POST('/api/token/blacklist/', { body: { refresh: pair.refresh } });
  const sliding = (await api.POST('/api/token/sliding/', { body: { username, password } })).data!.token;
  await api.POST('/api/token/sliding/refresh/', { body: { token: sliding } });
  await api.POST('/api/token/', { body: { username, password: 'wrong' } });
  await api.GET('/health/live');
  done.push('ready ' + (await api.GET('/health/ready')).data!.status);
  return done;
}
`;
const machine = `Basic ${Buffer.from(`${given('MACHINE_CLIENT_ID')}:${given('MACHINE_CLIENT_SECRET')}`).toString('base64')}`;

await flow('client', async step => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-openapi-'));
  try {
    await symlink(join(import.meta.dirname, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await step('it is made', async () => writeFile(join(folder, 'api.ts'), astToString(await openapiTS(text))));
    await step('a program that uses it compiles', async () => {
      const wrong = await compile(folder, 'program.ts', program);
      if (wrong.length > 0) fail(wrong.join('; '));
    });
    await step('one that sends what the document does not allow does not compile', async () => {
      const wrong = await compile(folder, 'wrong.ts', program.replace("{ username, password, email: 'made@example.com' }", '{ username, password: 42 }'));
      ok(wrong.length > 0, 'it compiled');
    });
    const wrong = [];
    const seen = async (method, response) => {
      const type = response.headers.get('content-type');
      wrong.push(...described.refuse(method, new URL(response.url).pathname, response.status, type, type === 'application/json' ? await response.json() : null));
    };
    await step('it runs', async () => {
      const { run } = await import(pathToFileURL(join(folder, 'program.js')));
      const done = await run(server, given('USERNAME'), given('PASSWORD'), seen);
      equal(done.join(', '), `registered ${given('USERNAME')}, refused 400, is ${given('USERNAME')}, verified 200, ready ready`, 'what it did');
    });
    await step('forms, too', async () => {
      const post = async (path, fields, headers = { Authorization: machine }) => {
        const response = await fetch(server + path, { method: 'POST', body: new URLSearchParams(fields), headers });
        await seen('POST', response.clone());
        return response;
      };
      const tokens = await (await post('/o/token/', { grant_type: 'client_credentials', scope: 'read' })).json();
      const known = await (await post('/o/introspect/', { token: tokens.access_token })).json();
      equal(known.active, true, 'active');
      await post('/o/revoke_token/', { token: tokens.access_token });
      await post('/o/token/', { grant_type: 'client_credentials', scope: 'nonsense' });
      await post('/o/token/', { grant_type: 'client_credentials' }, {});
      await post('/o/userinfo/', {}, { Authorization: 'Bearer nonsense' });
    });
    await step('documents of discovery', async () => {
      for (const path of Object.keys(document.paths).filter(one => one.includes('.well-known'))) await seen('GET', await fetch(server + path.replace('{issuer}', 'o')));
    });
    await step('each of the answers was as described', () => {
      if (wrong.length > 0) fail(wrong.join('\n'));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

end();

/** @returns the errors of the compiler; the JavaScript stands beside the source */
async function compile(folder, name, source) {
  const file = join(folder, name);
  await writeFile(file, source);
  const options = {
    strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: [],
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], skipLibCheck: true, preserveSymlinks: true,
  };
  const compiled = ts.createProgram([file], options);
  compiled.emit();
  return ts.getPreEmitDiagnostics(compiled).map(one => `${one.file?.fileName} ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`);
}

// A value of which the recordings keep the form only.
function isPlaceholder(value) {
  return typeof value === 'string' ? /^<.*>$|^\{\{.*\}\}$/.test(value) : value?.$jwt !== undefined;
}
