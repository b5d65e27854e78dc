// Two OAuth 2.0 servers that nobody here wrote, behind Entra's path: oauth2-mock-server, whose answers can be given
// another shape, and @node-oauth/oauth2-server, which reads requests strictly.
//
// server.mjs FOLDER CONFIG: FOLDER holds node_modules, CONFIG (JSON) tenant_id, scope, client_id, client_secret, and
// shapes: by client_id, { status, members }, what becomes of the mock's answer; a member that is null is left out.
// Prints one line of JSON with both endpoints when they listen; ends when stdin closes.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, config] = process.argv.slice(2);
const given = JSON.parse(readFileSync(config, 'utf8'));
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const { OAuth2Server: Mock } = await import(pathToFileURL(require.resolve('oauth2-mock-server')));
const Strict = require('@node-oauth/oauth2-server');
const token = `/${given.tenant_id}/oauth2/v2.0/token`;

const mock = new Mock(undefined, undefined, { endpoints: { token } });
await mock.issuer.keys.generate('RS256');
mock.service.on('beforeResponse', (answer, request) => {
  const shape = given.shapes[request.body.client_id];
  if (!shape) return;
  answer.statusCode = shape.status ?? answer.statusCode;
  Object.assign(answer.body, shape.members);
  for (const [name, value] of Object.entries(answer.body)) if (value === null) delete answer.body[name];
});
await mock.start(0, '127.0.0.1');

const strict = new Strict({
  model: {
    getClient: (id, secret) => id === given.client_id && secret === given.client_secret
      && { id, grants: ['client_credentials'] },
    getUserFromClient: (client) => ({ id: client.id }),
    validateScope: (user, client, scope) => scope?.length === 1 && scope[0] === given.scope && scope,
    saveToken: (saved, client, user) => ({ ...saved, client, user }),
  },
});

async function read(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

const server = createServer(async (incoming, outgoing) => {
  const text = await read(incoming);
  const response = new Strict.Response({ headers: {} });
  const request = new Strict.Request({ method: incoming.method, query: {}, headers: incoming.headers,
    body: Object.fromEntries(new URLSearchParams(text)) });
  if (incoming.url === token) await strict.token(request, response).catch(() => {});
  outgoing.writeHead(incoming.url === token ? response.status : 404,
    { ...response.headers, 'content-type': 'application/json' });
  outgoing.end(JSON.stringify(response.body));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ mock: mock.issuer.url.replace('localhost', '127.0.0.1'),
    strict: `http://127.0.0.1:${server.address().port}` })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
