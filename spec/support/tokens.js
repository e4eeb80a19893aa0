// Tokens and keys made by npm's jose, a JSON object on standard output: { sets, tokens }.
// usage: NODE_PATH=.../node_modules node spec/support/tokens.js ISSUER
// All are of https://idp.example, but the one that is called "of the issuer".
const jose = require('jose');
const crypto = require('crypto');

const ISSUER = 'https://idp.example';
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];
const now = Math.floor(Date.now() / 1000);

function sign(key, header, claims = {}, options = {}) {
  const token = new jose.SignJWT({ iss: ISSUER, sub: 'ada', aud: 'shop', exp: now + 3600, ...claims });
  return token.setProtectedHeader(header).sign(key, options);
}

function cut(token, part, change) {
  const parts = token.split('.');
  parts[part] = change(parts[part]);
  return parts.join('.');
}

const reword = (change) => (part) => {
  const value = JSON.parse(Buffer.from(part, 'base64url'));
  change(value);
  return Buffer.from(JSON.stringify(value)).toString('base64url');
};

async function pair(kid, kty, options) {
  const { publicKey, privateKey } = crypto.generateKeyPairSync(kty, options);
  return { kid, publicKey, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), kid } };
}

async function main() {
  const rsa = await pair('rsa', 'rsa', { modulusLength: 2048 });
  const next = await pair('next', 'rsa', { modulusLength: 2048 });
  const foreign = await pair('rsa', 'rsa', { modulusLength: 2048 });
  const keys = { RS: rsa, PS: rsa };
  for (const [name, namedCurve] of [['ES256', 'P-256'], ['ES384', 'P-384'], ['ES512', 'P-521']]) {
    keys[name] = await pair(name.toLowerCase(), 'ec', { namedCurve });
  }
  const secret = crypto.randomBytes(64);
  const oct = { kty: 'oct', kid: 'oct', k: secret.toString('base64url') };
  const ed = await pair('ed', 'ed25519', {});

  const tokens = {};
  for (const alg of ALGORITHMS) {
    const key = keys[alg] || keys[alg.slice(0, 2)];
    tokens[alg] = await sign(key.privateKey, { alg, kid: key.kid });
    tokens[alg + ' without kid'] = await sign(key.privateKey, { alg });
  }
  for (const alg of ['HS256', 'HS384', 'HS512']) tokens[alg] = await sign(secret, { alg, kid: 'oct' });

  const RS = { alg: 'RS256', kid: 'rsa' };
  const good = tokens.RS256;
  tokens.next = await sign(next.privateKey, { alg: 'RS256', kid: 'next' });
  tokens.expired = await sign(rsa.privateKey, RS, { exp: now - 120 });
  tokens['not yet'] = await sign(rsa.privateKey, RS, { nbf: now + 600 });
  tokens['another audience'] = await sign(rsa.privateKey, RS, { aud: ['bank', 'shopping'] });
  tokens['another issuer'] = await sign(rsa.privateKey, RS, { iss: ISSUER + '.evil' });

  tokens['of the issuer'] = await sign(rsa.privateKey, RS, { iss: process.argv[2] });

  tokens['alg none'] = new jose.UnsecuredJWT({ iss: ISSUER, sub: 'ada', aud: 'shop', exp: now + 3600 }).encode();
  tokens['alg none, signed'] = cut(good, 0, reword((h) => { h.alg = 'none'; }));
  tokens['alg None, signed'] = cut(good, 0, reword((h) => { h.alg = 'None'; }));
  tokens['no signature'] = cut(good, 2, () => '');
  tokens['EdDSA'] = await sign(ed.privateKey, { alg: 'EdDSA', kid: 'ed' });
  tokens['another key'] = await sign(foreign.privateKey, RS);
  tokens['own key in the header'] = await sign(foreign.privateKey, { ...RS, jwk: foreign.jwk });
  tokens['own address in the header'] = await sign(foreign.privateKey, { ...RS, jku: 'http://127.0.0.1:1/keys' });
  tokens['payload changed'] = cut(good, 1, reword((c) => { c.sub = 'root'; }));
  tokens['alg changed to PS'] = cut(good, 0, reword((h) => { h.alg = 'PS256'; }));
  tokens['alg changed to RS512'] = cut(good, 0, reword((h) => { h.alg = 'RS512'; }));
  tokens['alg changed to HS'] = cut(good, 0, reword((h) => { h.alg = 'HS256'; }));
  tokens['ES384 as ES256'] = cut(tokens.ES384, 0, reword((h) => { h.alg = 'ES256'; }));
  tokens['signature changed'] = cut(good, 2, (s) => (s[0] === 'A' ? 'B' : 'A') + s.slice(1));
  tokens['a kid of another type'] = await sign(rsa.privateKey, { alg: 'RS256', kid: 'es256' });
  tokens['a kid of another algorithm'] = await sign(secret, { alg: 'HS256', kid: 'rsa' });
  tokens['crit'] = await sign(rsa.privateKey, { ...RS, crit: ['b64'], b64: true }, {}, { crit: { b64: true } });
  for (const kid of ['../../../../dev/null', "rsa' OR '1'='1", 'rsa\u0000', 'RSA', ' rsa', '']) {
    tokens['kid ' + JSON.stringify(kid)] = await sign(foreign.privateKey, { alg: 'RS256', kid });
  }
  // The public key, in whatever form, is no secret to sign with.
  const forms = { pem: rsa.publicKey.export({ type: 'spki', format: 'pem' }),
    'pem of PKCS 1': rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }),
    der: rsa.publicKey.export({ type: 'spki', format: 'der' }), jwk: JSON.stringify(rsa.jwk),
    n: Buffer.from(rsa.jwk.n, 'base64url'), 'n as text': rsa.jwk.n };
  for (const [name, bytes] of Object.entries(forms)) {
    tokens['confusion by ' + name] = await sign(Buffer.from(bytes), { alg: 'HS256', kid: 'rsa' });
    tokens['confusion by ' + name + ', without kid'] = await sign(Buffer.from(bytes), { alg: 'HS256' });
  }
  tokens.encrypted = await new jose.CompactEncrypt(Buffer.from(good)).setProtectedHeader(
    { alg: 'RSA-OAEP', enc: 'A256GCM', kid: 'rsa' }).encrypt(rsa.publicKey);

  const open = [rsa.jwk, keys.ES256.jwk, keys.ES384.jwk, keys.ES512.jwk, ed.jwk];
  const sets = { public: { keys: open }, next: { keys: [next.jwk] }, shared: { keys: [oct] },
    both: { keys: [...open, oct] } };
  console.log(JSON.stringify({ sets, tokens }));
}

main();
