// The connection to a song server: the contract, the token with each call, deadlines, retries, and errors read.
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import { fromJSON, loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';

// No code is generated: the contract is read as it is. Fields have the contract's own names (page_size); longs come as
// numbers, enums as their names, and what is unset as its default.
const contract = loadFileDescriptorSetFromBuffer(
  readFileSync(process.env.SONG_CONTRACT ?? new URL('../../generated/songs/v1/contract.binpb', import.meta.url)),
  { longs: Number, enums: String, defaults: true },
);
const { SongService, UserService } = grpc.loadPackageDefinition(contract).songs.v1;

// google.rpc.Status, which carries the details of an error and is not part of the contract.
const Status = fromJSON({
  nested: {
    Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    Status: { fields: { details: { rule: 'repeated', type: 'Any', id: 3 } } },
  },
}, { keepCase: true }).Status;

// Retries for the methods that the contract lets a client call again (idempotency_level).
const serviceConfig = {
  methodConfig: [{
    name: ['CreateSong', 'GetSong', 'ListSongs', 'SearchSongs'].map((method) => (
      { service: 'songs.v1.SongService', method }
    )),
    retryPolicy: {
      maxAttempts: 3, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 2,
      retryableStatusCodes: ['UNAVAILABLE'],
    },
  }],
};

/** Connects to a server without TLS; `session.token` goes with each call once it is set. */
export function connect(address, session) {
  const bearer = (options, nextCall) => {
    const deadline = options.deadline ?? Date.now() + 10_000;
    return new grpc.InterceptingCall(nextCall({ ...options, deadline }), {
      start(metadata, listener, next) {
        if (session.token) metadata.set('authorization', `Bearer ${session.token}`);
        next(metadata, listener);
      },
    });
  };
  const options = { interceptors: [bearer], 'grpc.service_config': JSON.stringify(serviceConfig) };
  const credentials = grpc.credentials.createInsecure();
  return {
    songs: new SongService(address, credentials, options),
    users: new UserService(address, credentials, options),
  };
}

/** Calls a method that has one answer. */
export function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

/** Reads the error of a failed call: gRPC's status, the song server's own code, and the details by their names. */
export function readError(error) {
  const [status] = error.metadata.get('grpc-status-details-bin');
  const details = {};
  for (const { type_url: url, value } of status ? Status.deserialize(status).details : []) {
    const name = url.slice(url.lastIndexOf('/') + 1);
    details[name] = contract[name].deserialize(value);
  }
  return { status: grpc.status[error.code], trailer: error.metadata.get('song-status-code')[0], details };
}
