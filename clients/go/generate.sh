#!/bin/sh
# Generates the Go code of the contract into gen/songs/v1 of the Go module that it is run in.
#   generate.sh [CONTRACT]    CONTRACT is the descriptor set, ../../generated/songs/v1/contract.binpb unless given
# It runs protoc, or what PROTOC names. The plugins are those that the module's go.mod has as tools.
set -eu
contract=${1:-../../generated/songs/v1/contract.binpb}
module=$(go list -m)
go_plugin=$(go tool -n protoc-gen-go)
grpc_plugin=$(go tool -n protoc-gen-go-grpc)

files=''
options="module=$module"
for name in access api_key api_key_service audit audit_service reading \
    song song_bulk song_duplicates song_overview song_service song_streams status user user_service; do
    files="$files songs/v1/$name.proto"
    # The contract names a Go package of its own; yours is in your module.
    options="$options,Msongs/v1/$name.proto=$module/gen/songs/v1;songsv1"
done

# shellcheck disable=SC2086 # one word a file
"${PROTOC:-protoc}" --descriptor_set_in="$contract" --plugin="$go_plugin" --plugin="$grpc_plugin" \
    --go_out=. --go_opt="$options" --go-grpc_out=. --go-grpc_opt="$options" $files
