package main

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "songserver.dev/bench/peers/go_grpc/gen/songs/v1"
)

// songDocument is a song as MongoDB has it.
type songDocument struct {
	ID           string            `bson:"_id"`
	Title        string            `bson:"title"`
	Artists      []string          `bson:"artists"`
	Album        string            `bson:"album,omitempty"`
	AlbumArtists []string          `bson:"album_artists,omitempty"`
	TrackNumber  int32             `bson:"track_number,omitempty"`
	DiscNumber   int32             `bson:"disc_number,omitempty"`
	Genres       []string          `bson:"genres,omitempty"`
	ReleaseDate  *releaseDate      `bson:"release_date,omitempty"`
	Duration     *float64          `bson:"duration,omitempty"` // seconds
	ISRC         string            `bson:"isrc,omitempty"`
	Language     string            `bson:"language,omitempty"`
	Label        string            `bson:"label,omitempty"`
	BPM          float64           `bson:"bpm,omitempty"`
	Explicit     *bool             `bson:"explicit,omitempty"`
	Tags         []string          `bson:"tags,omitempty"`
	ExternalIDs  map[string]string `bson:"external_ids,omitempty"`
	Lyrics       string            `bson:"lyrics,omitempty"`
	Popularity   int32             `bson:"popularity"`
	CreateTime   time.Time         `bson:"create_time"`
	UpdateTime   time.Time         `bson:"update_time"`
	CreatedBy    string            `bson:"created_by,omitempty"`
}

type releaseDate struct {
	Year  int32 `bson:"year"`
	Month int32 `bson:"month"`
	Day   int32 `bson:"day"`
}

func (d *songDocument) toSong() *pb.Song {
	song := &pb.Song{
		Id: d.ID, Title: d.Title, Artists: d.Artists, Album: d.Album, AlbumArtists: d.AlbumArtists,
		TrackNumber: d.TrackNumber, DiscNumber: d.DiscNumber, Genres: d.Genres, Isrc: d.ISRC, Language: d.Language,
		Label: d.Label, Bpm: d.BPM, Explicit: d.Explicit, Tags: d.Tags, ExternalIds: d.ExternalIDs, Lyrics: d.Lyrics,
		Popularity: d.Popularity, CreatedBy: d.CreatedBy,
		CreateTime: timestamppb.New(d.CreateTime), UpdateTime: timestamppb.New(d.UpdateTime),
	}
	if d.ReleaseDate != nil {
		song.ReleaseDate = &date.Date{Year: d.ReleaseDate.Year, Month: d.ReleaseDate.Month, Day: d.ReleaseDate.Day}
	}
	if d.Duration != nil {
		song.Duration = durationpb.New(time.Duration(*d.Duration * float64(time.Second)))
	}
	return song
}

func newDocument(song *pb.Song) *songDocument {
	now := time.Now()
	document := &songDocument{
		ID: uuid.NewString(), Title: song.Title, Artists: song.Artists, Album: song.Album,
		AlbumArtists: song.AlbumArtists, TrackNumber: song.TrackNumber, DiscNumber: song.DiscNumber,
		Genres: song.Genres, ISRC: song.Isrc, Language: song.Language, Label: song.Label, BPM: song.Bpm,
		Explicit: song.Explicit, Tags: song.Tags, ExternalIDs: song.ExternalIds, Lyrics: song.Lyrics,
		Popularity: song.Popularity, CreateTime: now, UpdateTime: now,
	}
	if released := song.ReleaseDate; released != nil {
		document.ReleaseDate = &releaseDate{released.Year, released.Month, released.Day}
	}
	if song.Duration != nil {
		seconds := song.Duration.AsDuration().Seconds()
		document.Duration = &seconds
	}
	return document
}
