// A session with the song server: sign in, add a song, get, list and search it, and read an error.
// It removes what it added, and throws if anything is not as the contract says.

/** Runs the session; `say` hears of each step. */
export async function run({ songs, users, readError }, session, { username, password }, say) {
  /** Tells what came of a step, and throws if it is not what the contract says. */
  function expect(step, got, want) {
    const [told, wanted] = [JSON.stringify(got), JSON.stringify(want)];
    if (told !== wanted) throw new Error(`${step}: ${told} instead of ${wanted}`);
    say(`${step}: ${told}`);
  }
  const signedIn = await users.signIn({ username, password });
  session.token = signedIn.session.accessToken;
  expect('signed in', signedIn.user.username, username);

  const song = {
    title: 'Orange Horizon',
    artists: [`Visitor ${crypto.randomUUID()}`], // of this run's own: the catalogue holds a song once
    duration: { seconds: 205n },
    externalIds: { musicbrainz: 'b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d' },
  };
  const [artist] = song.artists;
  // With a request id a call that got no answer can be sent again: it never makes two songs.
  const request = { song, requestId: crypto.randomUUID() };
  const { song: made } = await songs.createSong(request);
  const { song: again } = await songs.createSong(request);
  expect('created once', made.id === again.id, true);
  const { song: got } = await songs.getSong({ id: made.id });
  expect('got', [got.title, got.externalIds], [song.title, song.externalIds]);

  const { results } = await songs.searchSongs({ query: `orange hor ${artist}` });
  expect('found', results.map((result) => result.song.title), [song.title]);

  const wrong = { title: 'Untraceable', artists: song.artists, trackNumber: -1, isrc: 'US-17' };
  const error = await songs.createSong({ song: wrong }).then(() => { throw new Error('it was taken'); }, readError);
  expect('refused', [error.code, error.number], ['InvalidArgument', '-3002']);
  expect('reason', error.details['google.rpc.ErrorInfo'].reason, 'INVALID_SONG_DETAILS');
  const violations = error.details['google.rpc.BadRequest'].fieldViolations;
  expect('fields', violations.map(({ field }) => field), ['song.track_number', 'song.isrc']);

  const page = await songs.listSongs({ filter: { artist } });
  for (const { id } of page.songs) await songs.deleteSong({ id });
  expect('listed and deleted', page.songs.length, 1);
}
