// The catalogue on grpc-js, with MongoDB's driver, in one process as in grpc-js's examples.
//   MONGODB_URI=... node server.js 127.0.0.1:50051
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { MongoClient } from 'mongodb';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DUPLICATE_KEY = 11000;
const WITHOUT_LYRICS = { lyrics: 0 };

const toTimestamp = (date) => ({ seconds: Math.floor(date / 1000), nanos: (date % 1000) * 1e6 });

function toSong({ _id, duration, create_time, update_time, external_ids = {}, ...fields }) {
  const song = { ...fields, id: _id, create_time: toTimestamp(create_time), update_time: toTimestamp(update_time) };
  song.external_ids = Object.entries(external_ids).map(([key, value]) => ({ key, value }));
  if (duration !== undefined) {
    song.duration = { seconds: Math.floor(duration), nanos: Math.round((duration % 1) * 1e9) };
  }
  return song;
}

function newDocument({ id, etag, create_time, update_time, duration, external_ids, ...fields }) {
  const now = new Date();
  const document = { ...fields, _id: randomUUID(), create_time: now, update_time: now };
  if (duration) document.duration = Number(duration.seconds) + duration.nanos / 1e9;
  if (external_ids) document.external_ids = Object.fromEntries(external_ids.map(({ key, value }) => [key, value]));
  return document;
}

const failure = (code, details) => Object.assign(new Error(details), { code, details });

/** Makes a handler of grpc-js of an async function. */
const unary = (method) => (call, callback) => {
  method(call.request).then((response) => callback(null, response), callback);
};

const songService = (songs) => ({
  GetSong: unary(async ({ id }) => {
    if (!UUID.test(id)) throw failure(grpc.status.INVALID_ARGUMENT, 'id must be a UUID');
    const document = await songs.findOne({ _id: id });
    if (!document) throw failure(grpc.status.NOT_FOUND, 'there is no such song');
    return { song: toSong(document) };
  }),
  CreateSong: unary(async ({ song }) => {
    if (!song?.title || !song.artists?.length) {
      throw failure(grpc.status.INVALID_ARGUMENT, 'a song needs title and artists');
    }
    const document = newDocument(song);
    try {
      await songs.insertOne(document);
    } catch (error) {
      throw error.code === DUPLICATE_KEY ? failure(grpc.status.ALREADY_EXISTS, 'this song is there already') : error;
    }
    return { song: toSong(document) };
  }),
  ListSongs: unary(async ({ page_size, page_number }) => {
    const size = Math.min(page_size || 50, 1000);
    const found = songs.find({}, { projection: WITHOUT_LYRICS })
      .sort({ title: 1 }).skip((Math.max(page_number || 1, 1) - 1) * size).limit(size);
    return { songs: (await found.toArray()).map(toSong) };
  }),
  SearchSongs: unary(async ({ query, page_size }) => {
    const score = { score: { $meta: 'textScore' } };
    const found = songs.find({ $text: { $search: query } }, { projection: { ...WITHOUT_LYRICS, ...score } })
      .sort(score).limit(Math.min(page_size || 20, 100));
    return { results: (await found.toArray()).map((document) => ({ song: toSong(document) })) };
  }),
});

async function serve(address) {
  const contract = loadFileDescriptorSetFromBuffer(
    readFileSync(new URL('../../../../generated/songs/v1/contract.binpb', import.meta.url)),
    { longs: Number, enums: String },
  );
  const { SongService } = grpc.loadPackageDefinition(contract).songs.v1;
  const client = await MongoClient.connect(process.env.MONGODB_URI);
  const server = new grpc.Server();
  server.addService(SongService.service, songService(client.db('peers').collection('songs')));
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

await serve(process.argv[2]);
