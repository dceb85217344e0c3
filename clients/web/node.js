// The session of session.js from Node.js, which speaks what browsers speak, and streams besides.
//
// SONG_USERNAME and SONG_PASSWORD name a user who may add songs, SONG_SERVER the server's URL (http://127.0.0.1:50051
// unless set), SONG_PROTOCOL what is spoken: connect, grpc-web, or http2, which is Connect with streams both ways.
import { readFileSync } from 'node:fs';
import { createConnectTransport } from '@connectrpc/connect-node';
import { connect, protocols } from './connection.js';
import { run } from './session.js';

const { SONG_SERVER = 'http://127.0.0.1:50051', SONG_USERNAME, SONG_PASSWORD, SONG_PROTOCOL = 'connect' } = process.env;
const contract = readFileSync(process.env.SONG_CONTRACT ?? new URL('../../generated/songs/v1/contract.binpb', import.meta.url));

/** Sends songs a message at a time while it reads what became of them. */
async function importSongs({ songs }) {
  const artists = [`Visitor ${crypto.randomUUID()}`];
  async function* messages() {
    for (const title of ['Night Ferry', 'Paper Lanterns', 'Night Ferry']) yield { items: [{ song: { title, artists } }] };
  }
  const results = [];
  for await (const answer of songs.importSongs(messages())) results.push(...answer.results);
  console.log(`imported: ${JSON.stringify(results.map(({ statusCode }) => statusCode))}`);
  for (const { songId, statusCode } of results) if (statusCode === 0) await songs.deleteSong({ id: songId });
}

try {
  const session = {};
  const createTransport = { ...protocols, http2: (options) => createConnectTransport({ ...options, httpVersion: '2' }) };
  const client = connect(SONG_SERVER, contract, session, createTransport[SONG_PROTOCOL]);
  await run(client, session, { username: SONG_USERNAME, password: SONG_PASSWORD }, console.log);
  if (SONG_PROTOCOL === 'http2') await importSongs(client);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
