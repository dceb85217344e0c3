// The catalogue on grpc-go, with MongoDB's driver.
//
//	MONGODB_URI=... go_grpc 127.0.0.1:50051
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"os"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "songserver.dev/bench/peers/go_grpc/gen/songs/v1"
)

type songService struct {
	pb.UnimplementedSongServiceServer
	songs *mongo.Collection
}

func (s *songService) GetSong(ctx context.Context, request *pb.GetSongRequest) (*pb.GetSongResponse, error) {
	if _, err := uuid.Parse(request.Id); err != nil {
		return nil, status.Error(codes.InvalidArgument, "id must be a UUID")
	}
	var found songDocument
	err := s.songs.FindOne(ctx, bson.D{{Key: "_id", Value: request.Id}}).Decode(&found)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, status.Error(codes.NotFound, "there is no such song")
	}
	if err != nil {
		return nil, err
	}
	return &pb.GetSongResponse{Song: found.toSong()}, nil
}

func (s *songService) CreateSong(ctx context.Context, request *pb.CreateSongRequest) (*pb.CreateSongResponse, error) {
	if request.Song.GetTitle() == "" || len(request.Song.GetArtists()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "a song needs title and artists")
	}
	created := newDocument(request.Song)
	if _, err := s.songs.InsertOne(ctx, created); mongo.IsDuplicateKeyError(err) {
		return nil, status.Error(codes.AlreadyExists, "this song is there already")
	} else if err != nil {
		return nil, err
	}
	return &pb.CreateSongResponse{Song: created.toSong()}, nil
}

func (s *songService) ListSongs(ctx context.Context, request *pb.ListSongsRequest) (*pb.ListSongsResponse, error) {
	size := min(int64(request.PageSize), 1000)
	if size == 0 {
		size = 50
	}
	rowsBefore := (max(int64(request.GetPageNumber()), 1) - 1) * size
	found, err := s.read(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: "lyrics", Value: 0}}).
		SetSort(bson.D{{Key: "title", Value: 1}}).SetSkip(rowsBefore).SetLimit(size))
	if err != nil {
		return nil, err
	}
	response := &pb.ListSongsResponse{Songs: make([]*pb.Song, len(found))}
	for i := range found {
		response.Songs[i] = found[i].toSong()
	}
	return response, nil
}

func (s *songService) SearchSongs(ctx context.Context, request *pb.SearchSongsRequest) (*pb.SearchSongsResponse, error) {
	size := min(int64(request.PageSize), 100)
	if size == 0 {
		size = 20
	}
	score := bson.E{Key: "score", Value: bson.D{{Key: "$meta", Value: "textScore"}}}
	query := bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: request.Query}}}}
	found, err := s.read(ctx, query, options.Find().SetProjection(bson.D{{Key: "lyrics", Value: 0}, score}).
		SetSort(bson.D{score}).SetLimit(size))
	if err != nil {
		return nil, err
	}
	response := &pb.SearchSongsResponse{Results: make([]*pb.SearchResult, len(found))}
	for i := range found {
		response.Results[i] = &pb.SearchResult{Song: found[i].toSong()}
	}
	return response, nil
}

func (s *songService) read(ctx context.Context, query bson.D, how *options.FindOptionsBuilder) ([]songDocument, error) {
	cursor, err := s.songs.Find(ctx, query, how)
	if err != nil {
		return nil, err
	}
	var found []songDocument
	return found, cursor.All(ctx, &found)
}

func main() {
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSongServiceServer(server, &songService{songs: client.Database("peers").Collection("songs")})
	log.Fatal(server.Serve(listener))
}
