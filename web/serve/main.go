// Command serve is a small file server for dist/: for development, and to host the page yourself.
//
//	go run ./web/serve [-dir dist] [ADDR]
//
// It serves one folder, GET and HEAD only, with the headers of package headers, an ETag of the content, and the .br or
// .gz beside a file where the client takes it. It does no TLS: put it behind something that does, or use localhost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const defaultAddr = "localhost:8080"

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "dist", "folder to serve")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: serve [-dir DIR] [ADDR]\nADDR is host:port, default %s\n", defaultAddr)
		flag.PrintDefaults()
	}
	flag.Parse()
	addr := defaultAddr
	switch flag.NArg() {
	case 0:
	case 1:
		addr = flag.Arg(0)
	default:
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // the next one ends the program at once
		fmt.Println("finishing what is under way, for up to 5 s; Ctrl-C again ends at once")
	})
	if err := run(ctx, *dir, addr, func(url string) { fmt.Println("resnet-web at", url, "(Ctrl-C stops)") }); err != nil {
		log.Fatal(err)
	}
}

// run serves dir on addr until ctx ends, then lets running answers finish for up to 5 s and breaks off the rest. ready is
// told the URL.
func run(ctx context.Context, dir, addr string, ready func(url string)) error {
	handler, err := NewHandler(dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("serve: want to listen on %s, but another program does; stop it or name another address: ./build.sh serve localhost:8081", addr)
	}
	if err != nil {
		return fmt.Errorf("serve: want an address like %s, got %q: %w", defaultAddr, addr, err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Minute, // a 100 MB model over 1 Mbit/s
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Shutdown(limit)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		done <- err
	}()
	go handler.warm()
	ready(url(listener.Addr()))
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

// url is what to type into a browser. Loopback is called localhost, the one name that browsers trust without TLS
// everywhere (cameras, service workers, shared memory).
func url(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
