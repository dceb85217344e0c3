// A session with the song server, from JavaScript: sign in, add songs, get, list and search them, and read an error.
//
// SONG_USERNAME and SONG_PASSWORD name a user who may add songs, SONG_SERVER the server (127.0.0.1:50051 unless set).
// It removes what it added; its exit code is 0 only if everything went as the contract says.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { call, connect, readError } from './connection.js';

const { SONG_SERVER = '127.0.0.1:50051', SONG_USERNAME, SONG_PASSWORD } = process.env;
const session = {};
const { songs, users } = connect(SONG_SERVER, session);
const song = {
  title: 'Orange Horizon',
  artists: [`Visitor ${randomUUID()}`], // of this run's own: the catalogue holds a song once
  duration: { seconds: 205 },
  // A map is a list of pairs here.
  external_ids: [{ key: 'musicbrainz', value: 'b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d' }],
};
const [artist] = song.artists;

/** Prints what came of a step, and throws if it is not what the contract says. */
function expect(step, got, want) {
  assert.deepEqual(got, want, `${step}: ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`);
  console.log(`${step}: ${JSON.stringify(got)}`);
}

async function signIn() {
  const { session: begun, user } = await call(users, 'signIn', { username: SONG_USERNAME, password: SONG_PASSWORD });
  session.token = begun.access_token;
  expect('signed in', user.username, SONG_USERNAME);
}

async function create() {
  // With a request id a call that got no answer can be sent again: it never makes two songs.
  const request = { song, request_id: randomUUID() };
  const created = await call(songs, 'createSong', request);
  const again = await call(songs, 'createSong', request);
  expect('created once', created.song.id === again.song.id, true);
  const got = await call(songs, 'getSong', { id: created.song.id });
  expect('got', [got.song.title, got.song.external_ids], [song.title, song.external_ids]);
}

async function importSongs() {
  // Sends a song a message while it reads what became of them; in earnest send up to 1,000 a message.
  const messages = ['Night Ferry', 'Paper Lanterns', song.title].map((title) => ({
    items: [{ song: { title, artists: song.artists } }],
  }));
  const stream = songs.importSongs();
  Readable.from(messages).pipe(stream);
  const outcomes = [];
  for await (const { results } of stream) outcomes.push(...results.map((result) => result.status_code));
  expect('imported', outcomes, ['SUCCESS', 'SUCCESS', 'SONG_EXISTS']);
}

async function search() {
  const { results } = await call(songs, 'searchSongs', { query: `orange hor ${artist}` });
  expect('found', results.map((result) => result.song.title), [song.title]);
}

async function breakRules() {
  const wrong = { title: 'Untraceable', artists: song.artists, track_number: -1, isrc: 'US-17' };
  const error = await call(songs, 'createSong', { song: wrong }).then(() => assert.fail('it was taken'), readError);
  expect('refused', error.status, 'INVALID_ARGUMENT');
  expect('reason', error.details['google.rpc.ErrorInfo'].reason, 'INVALID_SONG_DETAILS');
  const violations = error.details['google.rpc.BadRequest'].field_violations;
  expect('fields', violations.map((violation) => violation.field), ['song.track_number', 'song.isrc']);
  expect('trailer', error.trailer, '-3002');
}

async function listAndDelete() {
  const ids = [];
  const request = { filter: { artist }, page_size: 2, page_token: '' };
  do {
    const page = await call(songs, 'listSongs', request);
    ids.push(...page.songs.map(({ id }) => id));
    request.page_token = page.next_page_token;
  } while (request.page_token);
  for (const id of ids) await call(songs, 'deleteSong', { id });
  expect('listed and deleted', ids.length, 3);
}

try {
  for (const step of [signIn, create, importSongs, search, breakRules, listAndDelete]) await step();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  songs.close();
  users.close();
}
