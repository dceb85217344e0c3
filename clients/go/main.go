// A session with the song server, from Go: sign in, add songs, get, list and search them, and read an error.
//
// SONG_USERNAME and SONG_PASSWORD name a user who may add songs, SONG_SERVER the server (127.0.0.1:50051 unless set).
// It removes what it added; its exit code is 0 only if everything went as the contract says.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	songsv1 "songserver.dev/clients/go/gen/songs/v1"
)

func main() {
	log.SetFlags(0)
	// Every call needs a deadline: here the whole session has one.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	session := &bearer{}
	connection, err := connect(cmp.Or(os.Getenv("SONG_SERVER"), "127.0.0.1:50051"), session)
	if err != nil {
		log.Fatal(err)
	}
	users, songs := songsv1.NewUserServiceClient(connection), songsv1.NewSongServiceClient(connection)
	v := visitor{users, songs, session, &songsv1.Song{
		Title:       "Orange Horizon",
		Artists:     []string{"Visitor " + rand.Text()}, // of this run's own: the catalogue holds a song once
		Duration:    durationpb.New(205 * time.Second),
		ExternalIds: map[string]string{"musicbrainz": "b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d"},
	}}
	for _, step := range []func(context.Context) error{
		v.signIn, v.create, v.importSongs, v.search, v.breakRules, v.listAndDelete,
	} {
		if err := step(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

type visitor struct {
	users   songsv1.UserServiceClient
	songs   songsv1.SongServiceClient
	session *bearer
	song    *songsv1.Song
}

// expect prints what came of a step, and fails if it is not what the contract says.
func expect(step string, got, want any) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s: %v instead of %v", step, got, want)
	}
	fmt.Printf("%s: %v\n", step, got)
	return nil
}

func (v visitor) signIn(ctx context.Context) error {
	username, password := os.Getenv("SONG_USERNAME"), os.Getenv("SONG_PASSWORD")
	signedIn, err := v.users.SignIn(ctx, &songsv1.SignInRequest{Username: username, Password: password})
	if err != nil {
		return fmt.Errorf("sign in with SONG_USERNAME and SONG_PASSWORD: %w", err)
	}
	v.session.token = signedIn.Session.AccessToken
	return expect("signed in", signedIn.User.Username, username)
}

func (v visitor) create(ctx context.Context) error {
	// With a request id a call that got no answer can be sent again: it never makes two songs.
	request := &songsv1.CreateSongRequest{Song: v.song, RequestId: rand.Text()}
	created, err := v.songs.CreateSong(ctx, request)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	again, err := v.songs.CreateSong(ctx, request)
	if err != nil {
		return fmt.Errorf("create again: %w", err)
	}
	got, err := v.songs.GetSong(ctx, &songsv1.GetSongRequest{Id: again.Song.Id})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	return errors.Join(
		expect("created once", created.Song.Id == again.Song.Id, true),
		expect("got", []any{got.Song.Title, got.Song.ExternalIds}, []any{v.song.Title, v.song.ExternalIds}))
}

// importSongs sends a song a message while it reads what became of them; in earnest send up to 1,000 a message.
func (v visitor) importSongs(ctx context.Context) error {
	stream, err := v.songs.ImportSongs(ctx)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	go func() {
		for _, title := range []string{"Night Ferry", "Paper Lanterns", v.song.Title} {
			item := &songsv1.ImportItem{Song: &songsv1.Song{Title: title, Artists: v.song.Artists}}
			if stream.Send(&songsv1.ImportSongsRequest{Items: []*songsv1.ImportItem{item}}) != nil {
				return // Recv says why.
			}
		}
		_ = stream.CloseSend()
	}()
	var outcomes []songsv1.StatusCode
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return expect("imported", outcomes, "[SUCCESS SUCCESS SONG_EXISTS]")
		}
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		for _, result := range answer.Results {
			outcomes = append(outcomes, result.StatusCode)
		}
	}
}

func (v visitor) search(ctx context.Context) error {
	found, err := v.songs.SearchSongs(ctx, &songsv1.SearchSongsRequest{Query: "orange hor " + v.song.Artists[0]})
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	var titles []string
	for _, result := range found.Results {
		titles = append(titles, result.Song.Title)
	}
	return expect("found", titles, []string{v.song.Title})
}

func (v visitor) breakRules(ctx context.Context) error {
	var trailer metadata.MD
	song := &songsv1.Song{Title: "Untraceable", Artists: v.song.Artists, TrackNumber: -1, Isrc: "US-17"}
	_, err := v.songs.CreateSong(ctx, &songsv1.CreateSongRequest{Song: song}, grpc.Trailer(&trailer))
	refused := readRefusal(err)
	return errors.Join(
		expect("refused", refused.status, "InvalidArgument"),
		expect("reason", refused.info.GetReason(), songsv1.StatusCode_INVALID_SONG_DETAILS),
		expect("fields", refused.fields, "[song.track_number song.isrc]"),
		expect("trailer", trailer.Get("song-status-code"), "[-3002]"))
}

func (v visitor) listAndDelete(ctx context.Context) error {
	var ids []string
	page := &songsv1.ListSongsRequest{Filter: &songsv1.SongFilter{Artist: v.song.Artists[0]}, PageSize: 2}
	for more := true; more; more = page.PageToken != "" {
		listed, err := v.songs.ListSongs(ctx, page)
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		for _, song := range listed.Songs {
			ids = append(ids, song.Id)
		}
		page.PageToken = listed.NextPageToken
	}
	for _, id := range ids {
		if _, err := v.songs.DeleteSong(ctx, &songsv1.DeleteSongRequest{Id: id}); err != nil {
			return fmt.Errorf("delete song %s: %w", id, err)
		}
	}
	return expect("listed and deleted", len(ids), 3)
}
