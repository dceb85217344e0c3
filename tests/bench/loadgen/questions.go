package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	pageSize = 50
	pages    = 10 // ListSongs asks for one of the first so many
	tag      = "bench"
)

// question is one call to make, and what its answer must be.
type question struct {
	path   string // a gRPC method, or the target of an HTTP request
	method string // HTTP's; empty for gRPC
	body   []byte
	check  func(answer []byte) error
}

// questions gives what asks the questions of an operation, each with random arguments.
func questions(operation string, overHTTP bool, arguments []string) (func(*rand.Rand) question, error) {
	operations := overGRPC
	if overHTTP {
		operations = overJSON
	}
	ask, ok := operations[operation]
	if !ok {
		return nil, fmt.Errorf("there is no operation %q here", operation)
	}
	if len(arguments) == 0 {
		arguments = []string{""}
	}
	return func(random *rand.Rand) question { return ask(arguments[random.IntN(len(arguments))], random) }, nil
}

// Messages are written and read by their field numbers (protos/songs/v1): that costs less than any generated code.
var overGRPC = map[string]func(string, *rand.Rand) question{
	"GetSong": func(id string, _ *rand.Rand) question {
		return rpc("GetSong", text(nil, 1, id), func(answer []byte) error {
			return expect(string(field(field(answer, 1), 1)), id)
		})
	},
	"NoOp": func(id string, _ *rand.Rand) question {
		return rpc("GetSong", text(nil, 1, id), func(answer []byte) error {
			if len(answer) == 0 {
				return errors.New("the answer is empty")
			}
			return nil
		})
	},
	"CreateSong": func(string, *rand.Rand) question {
		title := freshTitle()
		return rpc("CreateSong", message(nil, 1, newSong(title)), func(answer []byte) error {
			song := field(answer, 1)
			if len(field(song, 1)) == 0 {
				return errors.New("the new song has no id")
			}
			return expect(string(field(song, 2)), title)
		})
	},
	"ListSongs": func(_ string, random *rand.Rand) question {
		request := number(number(number(nil, 1, pageSize), 3, page(random)), 5, 1) // page_size, page_number, by title
		return rpc("ListSongs", request, func(answer []byte) error { return expect(count(answer, 1), pageSize) })
	},
	"SearchSongs": func(query string, _ *rand.Rand) question {
		return rpc("SearchSongs", text(nil, 1, query), func(answer []byte) error {
			if count(answer, 1) == 0 {
				return fmt.Errorf("nothing was found for %q", query)
			}
			return nil
		})
	},
}

var overJSON = map[string]func(string, *rand.Rand) question{
	"GetSong": func(id string, _ *rand.Rand) question {
		return get("/songs/"+id, func(answer []byte) error {
			if !bytes.Contains(answer, []byte(`"`+id+`"`)) {
				return fmt.Errorf("the answer is not of the song %s", id)
			}
			return nil
		})
	},
	"CreateSong": func(string, *rand.Rand) question {
		title := freshTitle()
		return question{"/songs", http.MethodPost, newSongJSON(title), func(answer []byte) error {
			if !bytes.Contains(answer, []byte(title)) || !bytes.Contains(answer, []byte(`"id":`)) {
				return fmt.Errorf("the answer is not of the song %s", title)
			}
			return nil
		}}
	},
	"ListSongs": func(_ string, random *rand.Rand) question {
		return get(fmt.Sprintf("/songs?page=%d&page_size=%d", page(random), pageSize), func(answer []byte) error {
			return expect(bytes.Count(answer, []byte(`"id":`)), pageSize)
		})
	},
	"SearchSongs": func(query string, _ *rand.Rand) question {
		return get("/songs/search?q="+url.QueryEscape(query), func(answer []byte) error {
			if !bytes.Contains(answer, []byte(`"id":`)) {
				return fmt.Errorf("nothing was found for %q", query)
			}
			return nil
		})
	},
}

func rpc(method string, body []byte, check func([]byte) error) question {
	return question{path: "/songs.v1.SongService/" + method, body: body, check: check}
}

func get(target string, check func([]byte) error) question {
	return question{path: target, method: http.MethodGet, check: check}
}

func page(random *rand.Rand) uint64 { return 1 + random.Uint64N(pages) }

var run0, created = time.Now().UnixNano(), atomic.Int64{}

// freshTitle gives the title of a song that is in no catalogue.
func freshTitle() string { return fmt.Sprintf("Bench %x-%d", run0, created.Add(1)) }

// newSong gives a Song as most are.
func newSong(title string) []byte {
	song := text(nil, 2, title)
	song = text(song, 3, "Golden Harbour Lisbon")
	song = text(song, 4, "Lanterns of Porto 12")
	song = text(song, 5, "Golden Harbour Lisbon")
	song = number(song, 6, 3)
	song = number(song, 7, 1)
	song = text(song, 8, "Jazz")
	song = message(song, 9, number(nil, 1, 1998))
	song = message(song, 10, number(nil, 1, 215))
	song = text(song, 12, "en")
	song = text(song, 16, tag)
	return number(song, 19, 42)
}

// newSongJSON gives the same for an HTTP server.
func newSongJSON(title string) []byte {
	body, _ := json.Marshal(map[string]any{
		"title": title, "artists": []string{"Golden Harbour Lisbon"},
		"album": "Lanterns of Porto 12", "album_artists": []string{"Golden Harbour Lisbon"},
		"track_number": 3, "disc_number": 1, "genres": []string{"Jazz"}, "release_date": map[string]int{"year": 1998},
		"duration": 215, "language": "en", "tags": []string{tag}, "popularity": 42,
	})
	return body
}

func text(to []byte, num protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(to, num, protowire.BytesType), value)
}

func message(to []byte, num protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, num, protowire.BytesType), value)
}

func number(to []byte, num protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, num, protowire.VarintType), value)
}

// field gives the first string or message with this number in a message; nil if there is none.
func field(from []byte, num protowire.Number) (found []byte) {
	each(from, num, func(value []byte) bool { found = value; return false })
	return found
}

// count tells how many strings or messages with this number a message has; -1 if it is none.
func count(from []byte, num protowire.Number) (n int) {
	if !each(from, num, func([]byte) bool { n++; return true }) {
		return -1
	}
	return n
}

// each visits the strings or messages with this number; tells whether all of the message could be read.
func each(from []byte, num protowire.Number, visit func([]byte) bool) bool {
	for len(from) > 0 {
		got, kind, n := protowire.ConsumeTag(from)
		if n < 0 {
			return false
		}
		from = from[n:]
		if n = protowire.ConsumeFieldValue(got, kind, from); n < 0 {
			return false
		}
		if got == num && kind == protowire.BytesType {
			if value, _ := protowire.ConsumeBytes(from); !visit(value) {
				return true
			}
		}
		from = from[n:]
	}
	return true
}

func expect[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("the answer has %v instead of %v", got, want)
	}
	return nil
}
