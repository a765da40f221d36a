// Command serve is a small file server for dist/: for development, and to host the page yourself.
//
//	go run ./web/serve [-dir dist] [ADDR [COMMAND ...]]
//
// It serves one folder, GET and HEAD only, with the headers of package headers, an ETag of the content, and the .br or
// .gz beside a file where the client takes it. It does no TLS: put it behind something that does, or use localhost.
//
// A command makes the folder. It is run once the address is taken, so that nothing is built for a server that cannot
// start, and until it has ended every answer is a 503 that asks browsers to try again.
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
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const defaultAddr = "localhost:8080"

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "dist", "folder to serve")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: serve [-dir DIR] [ADDR [COMMAND ...]]\n"+
			"ADDR is host:port, default %s; COMMAND makes DIR once ADDR is taken\n", defaultAddr)
		flag.PrintDefaults()
	}
	flag.Parse()
	addr, command := defaultAddr, []string(nil)
	if flag.NArg() > 0 {
		addr, command = flag.Arg(0), flag.Args()[1:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // the next one ends the program at once
		fmt.Println("finishing what is under way, for up to 5 s; Ctrl-C again ends at once")
	})
	if err := run(ctx, *dir, addr, command, func(url string) { fmt.Println("resnet-web at", url, "(Ctrl-C stops)") }); err != nil {
		log.Fatal(err)
	}
}

// run serves dir on addr until ctx ends, then lets running answers finish for up to 5 s and breaks off the rest. The
// command, if there is one, makes dir first. ready is told the URL.
func run(ctx context.Context, dir, addr string, command []string, ready func(url string)) error {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("serve: want to listen on %s, but another program does; stop it or name another address: ./build.sh serve localhost:8081", addr)
	}
	if err != nil {
		return fmt.Errorf("serve: want an address like %s, got %q: %w", defaultAddr, addr, err)
	}
	defer listener.Close()
	var handler atomic.Pointer[Handler]
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := handler.Load(); h != nil {
				h.ServeHTTP(w, r)
			} else {
				unavailable(w)
			}
		}),
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
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if len(command) > 0 {
		fmt.Fprintf(os.Stderr, "serve: listening on %s, where the page appears once it is built\n", listener.Addr())
		err := execute(ctx, command)
		if ctx.Err() != nil {
			return errors.New("serve: stopped before the page was built")
		}
		if err != nil {
			return fmt.Errorf("serve: there is nothing to serve, because %q failed: %w", strings.Join(command, " "), err)
		}
	}
	h, err := NewHandler(dir)
	if err != nil {
		return err
	}
	handler.Store(h)
	go h.warm()
	ready(url(listener.Addr()))
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

// execute runs a command that says what it does on this program's own output, and ends it with ctx.
func execute(ctx context.Context, command []string) error {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	return c.Run()
}

// unavailable answers while there is nothing to serve yet.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "2")
	w.Header().Set("Refresh", "2") // browsers load the page again by themselves
	http.Error(w, "resnet-web is being built; this page appears when it is done", http.StatusServiceUnavailable)
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
