'use strict';
// What the smoke test of the image asks of Node.js: one line for each thing that works, an exception for what does not.

const assert = require('assert');
const child = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');
const os = require('os');
const path = require('path');
const tls = require('tls');
const zlib = require('zlib');
const { once } = require('events');
const { builtinModules } = require('module');
const { Worker } = require('worker_threads');

const checks = {
  modules() {
    // Every module that node has built in; what it names for old programs warns.
    process.removeAllListeners('warning');
    const names = builtinModules.filter((name) => name !== 'inspector' && !name.startsWith('_'));
    for (const name of names) require(name);
    assert(names.length > 40);
    return 'loaded';
  },
  async fetches() {
    // undici, WebAssembly and the parser of exports are files of other packages on Debian.
    const server = http.createServer((request, response) => response.end('answer to ' + request.url)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/page`);
    const text = await answer.text();
    server.close();
    return text;
  },
  async imports() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-'));
    fs.writeFileSync(path.join(folder, 'old.cjs'), 'exports.named = 6;');
    fs.writeFileSync(path.join(folder, 'new.mjs'), 'import { named } from "./old.cjs"; export default named * 7;');
    const { default: value } = await import(path.join(folder, 'new.mjs'));
    fs.rmSync(folder, { recursive: true });
    return value;
  },
  async tls() {
    const server = https.createServer({ cert: fs.readFileSync('/etc/server/server.pem'), key: fs.readFileSync('/etc/server/server.key') },
      (request, response) => response.end(`secret over ${request.socket.getProtocol()}`)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const get = (options) => new Promise((resolve, reject) => {
      https.get({ host: '127.0.0.1', port: server.address().port, ...options }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (data) => { text += data; }).on('end', () => resolve(text));
      }).on('error', reject);
    });
    const text = await get({ ca: fs.readFileSync('/etc/server/ca.pem') });
    await assert.rejects(get({}), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    server.close();
    assert(tls.rootCertificates.length > 100);
    return text;
  },
  crypto() {
    const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
    const signature = crypto.sign(null, Buffer.from('text'), privateKey);
    assert(crypto.verify(null, Buffer.from('text'), publicKey, signature));
    assert(!crypto.verify(null, Buffer.from('test'), publicKey, signature));
    return crypto.createHash('sha256').update('').digest('hex').slice(0, 8);
  },
  compression() {
    const data = Buffer.from('slim'.repeat(1000));
    for (const [pack, unpack] of [['gzipSync', 'gunzipSync'], ['brotliCompressSync', 'brotliDecompressSync']]) {
      const packed = zlib[pack](data);
      assert(packed.length < 200 && zlib[unpack](packed).equals(data));
    }
    return 'gzip brotli';
  },
  international() {
    const date = new Date(Date.UTC(2026, 7, 4));
    return new Intl.DateTimeFormat('de-DE', { dateStyle: 'full', timeStyle: 'long', timeZone: 'Europe/Berlin' }).format(date);
  },
  async worker() {
    const worker = new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true });
    const [[message]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    return message;
  },
  async children() {
    const node = child.spawnSync('/usr/bin/env', ['node', '-p', '6 * 7'], { encoding: 'utf8' });
    assert.strictEqual(node.status, 0, node.stderr);
    return node.stdout.trim();
  },
  absent() {
    // Neither package managers nor a shell; env shows that the search finds what is there.
    const folders = process.env.PATH.split(':');
    const found = (name) => folders.some((folder) => fs.existsSync(path.join(folder, name)));
    assert(found('env') && found('node'));
    const wrong = ['npm', 'npx', 'corepack', 'yarn', 'sh', 'bash'].filter(found);
    assert.deepStrictEqual(wrong, []);
    assert.throws(() => require.resolve('npm'), { code: 'MODULE_NOT_FOUND' });
    return 'npm npx corepack yarn sh bash';
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) console.log(`${name}: ${await check()}`);
  console.log(`node ${process.version} on ${process.arch}`);
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
