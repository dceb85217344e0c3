// The connection to a song server over plain HTTP: the contract, the token with each call, deadlines, and errors read.
// It is the same in a browser and in Node.js.
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';

/** What a page can speak: Connect, with messages that a person can read in the network panel, and gRPC-Web. */
export const protocols = {
  connect: (options) => createConnectTransport({ ...options, useHttpGet: true }),
  'grpc-web': createGrpcWebTransport,
};

/**
 * Connects to a server; `session.token` goes with each call once it is set.
 *
 * No code is generated: `contract` is the bytes of `generated/songs/v1/contract.binpb`, read as they are.
 */
export function connect(baseUrl, contract, session, createTransport = protocols.connect) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, contract));
  const bearer = (next) => (request) => {
    if (session.token) request.header.set('authorization', `Bearer ${session.token}`);
    return next(request);
  };
  const transport = createTransport({ baseUrl, interceptors: [bearer], defaultTimeoutMs: 10_000 });
  return {
    songs: createClient(registry.getService('songs.v1.SongService'), transport),
    users: createClient(registry.getService('songs.v1.UserService'), transport),
    /** Reads the error of a failed call: its code, the song server's own, and the details by their names. */
    readError(error) {
      const failure = ConnectError.from(error);
      const details = {};
      for (const name of ['google.rpc.ErrorInfo', 'google.rpc.BadRequest', 'google.rpc.RetryInfo']) {
        [details[name]] = failure.findDetails(registry.getMessage(name));
      }
      return { code: Code[failure.code], number: failure.metadata.get('song-status-code'), details };
    },
  };
}
