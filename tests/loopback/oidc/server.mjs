// An OAuth 2.0 server that nobody here wrote: oidc-provider, as its packagers made it, behind Entra's path.
//
// server.mjs FOLDER CONFIG: FOLDER holds node_modules, CONFIG (JSON) tenant_id, scope, client_id, client_secret,
// certificate (PEM) and certificate_client_id. Prints one line of JSON when it listens; ends when stdin closes.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [folder, config] = process.argv.slice(2);
const given = JSON.parse(readFileSync(config, 'utf8'));
const { default: Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`));

const client = (more) => ({
  grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: given.scope, ...more,
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(endpoint, {
    clients: [
      client({
        client_id: given.client_id, client_secret: given.client_secret,
        token_endpoint_auth_method: 'client_secret_post',
      }),
      client({
        client_id: given.certificate_client_id, token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [new X509Certificate(given.certificate).publicKey.export({ format: 'jwk' })] },
      }),
    ],
    scopes: [given.scope],
    routes: { token: `/${given.tenant_id}/oauth2/v2.0/token` },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${JSON.stringify({ pid: process.pid, endpoint })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
