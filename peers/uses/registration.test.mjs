// An application's test suite in JavaScript that sends its mail to `gatepost dev`.
//
//     GATEPOST=/usr/bin/gatepost node --test registration.test.mjs
//
// One server for all tests, on ports that the system chooses; each test begins with an empty inbox and ends with looking into it. nodemailer
// is what the application sends with; the suite itself needs nothing but Node.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, test } from 'node:test';

const nodemailer = createRequire(join(process.env.NODE_PATH ?? '.', 'x'))('nodemailer');

let server;

before(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mail-'));
  const lanes = ['smtp', 'smtps', 'legacy', 'http'].flatMap((lane) => [`--${lane}`, '127.0.0.1:0']);
  const child = spawn(process.env.GATEPOST ?? 'gatepost', ['dev', '--dir', directory, ...lanes], { stdio: ['ignore', 'pipe', 'ignore'] });
  const facts = {};
  let ready = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const fact = /^ {2}(account|password|TLS|web|API token) +(\S+)/.exec(line);
    if (fact) facts[fact[1]] = fact[2];
    if ((ready = line === 'ready')) break;
  }
  assert.ok(ready, 'gatepost dev ended before it was ready; run it by hand to see why');
  const [host, port] = facts.TLS.split(':');
  server = { directory, child, host, port: Number(port), facts, api: `${facts.web}api`, ca: await readFile(join(directory, 'ca.pem')) };
});

after(async () => {
  const ended = new Promise((resolve) => server.child.once('exit', resolve));
  server.child.kill();
  await ended;
  await rm(server.directory, { recursive: true });
});

beforeEach(async () => {
  const answer = await fetch(`${server.api}/messages`, { method: 'DELETE', headers: { Authorization: `Bearer ${server.facts['API token']}` } });
  assert.ok(answer.ok);
});

// The application under test.
async function welcome(address, pass = server.facts.password) {
  const transport = nodemailer.createTransport({
    host: server.host, port: server.port, secure: true, tls: { ca: server.ca }, auth: { user: server.facts.account, pass },
  });
  await transport.sendMail({ from: 'dev@localhost', to: address, subject: 'Willkommen, Jürgen', text: 'Confirm: https://app.example/confirm?code=4711' });
  transport.close();
}

// A message is there as soon as the server has accepted it: no waiting.
async function inbox() {
  return (await (await fetch(`${server.api}/messages`)).json()).messages;
}

test('the new user gets one message with a code', async () => {
  await welcome('juergen@example.com');
  const [arrived, ...more] = await inbox();
  assert.deepEqual(more, []);
  assert.deepEqual(arrived.rcpt_to, ['juergen@example.com']);
  assert.equal(arrived.subject, 'Willkommen, Jürgen');
  const raw = await (await fetch(`${server.api}/messages/${arrived.id}/raw`)).text();
  assert.match(raw, /code=3D\d{4}|code=\d{4}/);
});

test('the application authenticates inside TLS', async () => {
  await welcome('someone@example.com');
  const [arrived] = await inbox();
  assert.equal(arrived.auth.authcid, server.facts.account);
  assert.ok(arrived.auth.tls);
});

test('a wrong password sends nothing', async () => {
  await assert.rejects(welcome('someone@example.com', 'wrong'), { code: 'EAUTH' });
  assert.deepEqual(await inbox(), []);
});
