// The long-running operations of Microsoft's AutoRest test server, as operations on private endpoint connections.
//
// server.mjs FOLDER CASES: FOLDER holds node_modules, CASES (JSON) a list of { method, route, succeeds }. Case N is the
// connection whose name ends in ".N": its PATCH or DELETE becomes that method on that route, its GET a GET of the route.
// All that is changed on the way:
//
//   - the server's resources get the id that was asked for, and a status: Approved in a final state, Pending before;
//   - where the server has no resource to be read, there is one that shows how the case ends, once the write is accepted;
//   - the cookies by which it tells a first request from a second are kept here: Azure sets none.
//
// GET /_seen/N is { covered, requests }: the server's own counters that case N has moved, and what it was asked.
// Prints one line of JSON when it listens; ends when stdin closes.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, file] = process.argv.slice(2);
const home = `${folder}/node_modules/@microsoft.azure/autorest.testserver`;
const require = createRequire(`${home}/package.json`);
const express = require('express');
const Operations = require(`${home}/legacy/routes/lros.js`);
console.log = () => {}; // the routes' own

const cases = JSON.parse(readFileSync(file, 'utf8')).map((one, n) => (
  { ...one, n, covered: [], requests: [], jar: {}, accepted: false }));
let current; // the case whose request is being answered: the routes answer at once

const properties = (state) => ({
  provisioningState: state, privateLinkServiceConnectionState: { status: state === 'Succeeded' ? 'Approved' : 'Pending' },
});

// A body that shows the resource is made one of the connection that was asked for.
const translated = (text, one, is_look) => {
  let body;
  try { body = JSON.parse(text); } catch { return text; }
  const shows = body?.id && !body.status && (is_look || body.properties || body.name === 'foo');
  if (!shows) return text;
  return JSON.stringify({ ...body, id: one.id, properties: properties(body.properties?.provisioningState ?? 'Succeeded') });
};

// The resource where the server has none.
const own = (one, res) => {
  const over = one.accepted && one.succeeds;
  if (over && one.method === 'delete') res.status(404).json({ error: { code: 'ResourceNotFound', message: 'gone' } });
  else res.json({ id: one.id, properties: { ...properties(over ? 'Succeeded' : ''), provisioningState: 'Succeeded' } });
};

// What the server is asked, and what becomes of its answer.
const ask = (one, req, res, is_look) => {
  req.url = req.rest ?? `/lro${one.route}`;
  req.headers.host = `${req.headers.host}/@${one.n}`; // of the polling URLs
  req.headers.cookie = Object.entries(one.jar).map(([name, value]) => `${name}=${value}`).join('; ');
  res.cookie = (name, value) => { one.jar[name] = value; return res; };
  res.clearCookie = (name) => { delete one.jar[name]; return res; };
  const end = res.end;
  res.end = (text) => {
    res.end = end;
    if (res.statusCode >= 300) return res.end(text);
    one.accepted = true;
    return res.end(text && translated(String(text), one, is_look));
  };
};

const app = express();
app.disable('etag');
app.get('/_seen/:n', (req, res) => {
  const { covered, requests } = cases[req.params.n];
  res.json({ covered, requests });
});
app.use((req, res, next) => {
  const [, id, named] = /^(\/subscriptions\/.*\.(\d+))\?/.exec(req.url) ?? [];
  const [, polled, rest] = /^\/@(\d+)(\/.*)/.exec(req.url) ?? [];
  const one = current = cases[named ?? polled];
  if (!one) return next();
  const is_look = Boolean(id) && req.method === 'GET';
  one.id ??= id;
  one.requests.push(`${req.method} ${id ? 'connection' : rest.split('?')[0]}`);
  if (is_look && !(one.accepted && one.readable)) return own(one, res);
  if (id && !is_look) req.method = one.method.toUpperCase();
  req.rest = rest;
  ask(one, req, res, is_look);
  return next();
});
const counters = () => new Proxy({}, {
  set: (counts, name, count) => {
    if (count > 0) current.covered.push(name);
    return Reflect.set(counts, name, count);
  },
});
new Operations(counters(), counters());
const { router } = Operations.prototype;
for (const one of cases) {
  const reads = (layer) => layer.route?.methods.get && layer.regexp.test(one.route);
  one.readable = ['put', 'patch'].includes(one.method) && router.stack.some(reads);
}
app.use('/lro', router);
app.use((req, res) => res.status(404).json({ message: `No route ${req.url}` }));
app.use((error, req, res, next) => res.status(error.status ?? 500).json(error));

const server = app.listen(0, '127.0.0.1', () => {
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  process.stdout.write(`${JSON.stringify({ pid: process.pid, endpoint })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
