// A load generator for song servers that costs little and checks every answer.
//
//	loadgen -target 127.0.0.1:50051 -operation GetSong -arguments ids.txt -in-flight 64 -seconds 3
//
// So many calls are in flight all the time: each next one begins when one has ended. It speaks gRPC or, with -http,
// JSON over HTTP/1.1, and prints one JSON object. Its exit status is 0 also where calls failed: that is a result.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// exchange makes one call and gives the answer, which is valid until the next one.
type exchange func(context.Context, question) ([]byte, error)

type result struct {
	Operation  string  `json:"operation"`
	InFlight   int     `json:"in_flight"`
	Seconds    float64 `json:"seconds"`
	Calls      int     `json:"calls"`     // answered as they should be, in the time measured
	AllCalls   int64   `json:"all_calls"` // with those of the warm-up
	Errors     int64   `json:"errors"`    // also with those of the warm-up
	FirstError string  `json:"first_error,omitempty"`
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	OwnCPU     float64 `json:"own_cpu_us"` // of this program, a call
}

type options struct {
	target, operation, arguments, token string
	http                                bool
	inFlight, connections               int
	seconds, warmUp                     time.Duration
	most                                int64
}

func main() {
	var o options
	flag.StringVar(&o.target, "target", "", "host:port of the server")
	flag.StringVar(&o.operation, "operation", "GetSong", "GetSong, CreateSong, ListSongs, SearchSongs or NoOp")
	flag.StringVar(&o.arguments, "arguments", "", "file with ids (GetSong, NoOp) or queries (SearchSongs), one a line")
	flag.StringVar(&o.token, "token", os.Getenv("LOADGEN_TOKEN"), "access token; default: $LOADGEN_TOKEN")
	flag.BoolVar(&o.http, "http", false, "JSON over HTTP/1.1, a connection for each call in flight")
	flag.IntVar(&o.inFlight, "in-flight", 64, "calls in flight")
	flag.IntVar(&o.connections, "connections", 8, "gRPC connections, at most one for each call in flight")
	flag.DurationVar(&o.seconds, "seconds", 3*time.Second, "for how long to measure")
	flag.DurationVar(&o.warmUp, "warm-up", time.Second, "for how long to call before that")
	flag.Int64Var(&o.most, "most", 2_000_000, "calls after which to stop anyway")
	flag.Parse()
	measured, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(measured)
}

func run(o options) (*result, error) {
	debug.SetGCPercent(400) // memory is there; the cores are the server's
	arguments, err := lines(o.arguments)
	if err != nil {
		return nil, err
	}
	ask, err := questions(o.operation, o.http, arguments)
	if err != nil {
		return nil, err
	}
	open, closeAll, err := connect(o)
	if err != nil {
		return nil, err
	}
	defer closeAll()

	// Every call has this deadline: a server that hangs fails the run.
	ctx, cancel := context.WithTimeout(context.Background(), o.warmUp+o.seconds+10*time.Second)
	defer cancel()
	l := load{ctx: ctx, ask: ask, most: o.most, measureAt: time.Now().Add(o.warmUp)}
	l.endAt = l.measureAt.Add(o.seconds)

	latencies := make([][]time.Duration, o.inFlight)
	var workers sync.WaitGroup
	for i := range o.inFlight {
		workers.Go(func() { latencies[i] = l.work(open(i)) })
	}
	time.Sleep(time.Until(l.measureAt))
	before := ownCPU()
	callsBefore := l.calls.Load()
	time.Sleep(time.Until(l.endAt))
	cpu, calls := ownCPU()-before, l.calls.Load()-callsBefore
	workers.Wait()

	all := slices.Concat(latencies...)
	slices.Sort(all)
	r := &result{
		Operation: o.operation, InFlight: o.inFlight, Seconds: o.seconds.Seconds(),
		Calls: len(all), AllCalls: l.calls.Load(), Errors: l.errors.Load(),
		PerSecond: float64(len(all)) / o.seconds.Seconds(),
		P50:       percentile(all, 0.50), P99: percentile(all, 0.99),
	}
	if calls > 0 {
		r.OwnCPU = float64(cpu.Microseconds()) / float64(calls)
	}
	if first := l.firstError.Load(); first != nil {
		r.FirstError = (*first).Error()
	}
	return r, nil
}

// load is what all workers share.
type load struct {
	ctx              context.Context
	ask              func(*rand.Rand) question
	most             int64
	measureAt, endAt time.Time
	calls, errors    atomic.Int64
	firstError       atomic.Pointer[error]
}

// work makes one call after another until the time is up, and gives how long those took that ended in the time measured.
func (l *load) work(call exchange) []time.Duration {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	latencies := make([]time.Duration, 0, 1<<14)
	for now := time.Now(); now.Before(l.endAt) && l.calls.Add(1) <= l.most; {
		q := l.ask(random)
		begun := now
		answer, err := call(l.ctx, q)
		now = time.Now()
		if err == nil {
			err = q.check(answer)
		}
		if err != nil {
			l.errors.Add(1)
			l.firstError.CompareAndSwap(nil, &err)
			time.Sleep(10 * time.Millisecond) // a server that refuses everything is not to be drowned in it
			now = time.Now()
		} else if now.After(l.measureAt) && now.Before(l.endAt) {
			latencies = append(latencies, now.Sub(begun))
		}
	}
	return latencies
}

func percentile(sorted []time.Duration, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(part*float64(len(sorted)-1))].Microseconds()) / 1000
}

func ownCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func lines(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var read []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		read = append(read, scanner.Text())
	}
	return read, nil
}
