// Command resnet converts, inspects, measures and runs ResNet image classifiers.
//
// Without a model file it uses the built-in one. It says what went wrong in one line and exits with 1, or with 2 where
// the command, a flag or the number of arguments is wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

// command is one verb of the tool.
type command struct {
	name, args, about string
	run               func(c *call) error
}

var commands []command

func init() { // not a literal: help refers to commands
	commands = []command{
		{"classify", "[-model F | -checkpoint C [-arch A]] [-k 5] [-lang L] [-simd auto|none] [-json|-csv] [-heatmap OUT.png] IMAGE|DIR|-...", "name what pictures show", classify},
		{"eval", "[-model F] [-checkpoint C] [-n N] [-lang L] [-simd auto|none] [-json] DIR|ZIP",
			"measure accuracy over images in folders named by class", eval},
		{"import", "[-arch A] [-calib DIR|ZIP|none] [-labels F] [-resize N -crop N -filter F -mean R,G,B -std R,G,B] [-output softmax|sigmoid] [-o OUT] CHECKPOINT", "make a model file of a checkpoint (.pth, .safetensors, .onnx)", importModel},
		{"info", "F", "describe a model file", info},
		{"summary", "[-json] ARCH", "list a network's layers, parameters and multiply-adds", summary},
		{"fetch", "NAME", "get an official checkpoint, verify it and make a model file of it", fetch},
		{"export", "-format onnx|onnx-qdq [-fast] [-o OUT] F", "write a model file's network for other runtimes", export},
	}
}

// call is one run of a command.
type call struct {
	*flag.FlagSet
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string // after parse: what is left of the flags
	notes          string   // what -h prints below the flags
}

// errUsage is returned when the usage has been printed for a wrong call.
var errUsage = errors.New("usage")

// parse parses the flags that the command has defined and wants between lo and hi arguments after them.
func (c *call) parse(lo, hi int) error {
	if err := c.Parse(c.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	c.args = c.Args()
	for _, a := range c.args {
		if _, err := os.Stat(a); err != nil && len(a) > 1 && a[0] == '-' {
			return fmt.Errorf("%w: %s: flags go before the other arguments, found %s after them; see resnet %s -h", errUsage, c.Name(), a, c.Name())
		}
	}
	if n := len(c.args); n < lo || n > hi {
		return fmt.Errorf("%w: %s: want %s, got %d; see resnet %s -h", errUsage, c.Name(), plural(lo, hi), n, c.Name())
	}
	return nil
}

func plural(lo, hi int) string {
	switch {
	case lo == 1 && hi == 1:
		return "one argument"
	case hi > lo:
		return fmt.Sprintf("at least %d argument", lo)
	}
	return fmt.Sprintf("%d arguments", lo)
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "usage: resnet COMMAND [flags] [arguments]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  resnet %s %s\n      %s\n", c.name, c.args, c.about)
	}
	fmt.Fprintf(w, "\nresnet COMMAND -h lists a command's flags. Without -model the built-in model is used.\n")
}

// run is main without the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := &output{w: stdout}, &output{w: stderr}
	code := dispatch(args, stdin, out, errs)
	if out.err != nil {
		fmt.Fprintf(errs, "resnet: the result could not be written: %v\n", out.err)
		return 1
	}
	return code
}

func dispatch(args []string, stdin io.Reader, stdout, stderr *output) int {
	if len(args) == 0 {
		usage(stderr)
		return 2
	}
	name := strings.TrimLeft(args[0], "-")
	if name == "h" || name == "help" {
		usage(stdout)
		return 0
	}
	for _, cmd := range commands {
		if cmd.name != args[0] {
			continue
		}
		c := &call{FlagSet: flag.NewFlagSet(cmd.name, flag.ContinueOnError), stdin: stdin, stdout: stdout,
			stderr: stderr, args: args[1:]}
		c.SetOutput(io.Discard) // errors are printed here, once
		err := cmd.run(c)
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprintf(stdout, "usage: resnet %s %s\n\n%s.\n", cmd.name, cmd.args, strings.ToUpper(cmd.about[:1])+cmd.about[1:])
			c.SetOutput(stdout)
			hasFlags := false
			c.VisitAll(func(*flag.Flag) { hasFlags = true })
			if hasFlags {
				fmt.Fprintf(stdout, "\nflags:\n")
				c.PrintDefaults()
			}
			if c.notes != "" {
				fmt.Fprintf(stdout, "\n%s", c.notes)
			}
			return 0
		case errors.Is(err, errReported):
			return 1
		case stdout.err != nil:
			return 1 // run says why
		case errors.Is(err, errUsage):
			fmt.Fprintf(stderr, "resnet: %s\n", oneLine(strings.TrimPrefix(err.Error(), errUsage.Error()+": ")))
			return 2
		}
		fmt.Fprintf(stderr, "resnet: %s\n", oneLine(err.Error()))
		return 1
	}
	var names []string
	for _, cmd := range commands {
		names = append(names, cmd.name)
	}
	fmt.Fprintf(stderr, "resnet: no command %q; there are %s\n", args[0], strings.Join(names, ", "))
	return 2
}

// errReported is returned when every failure has had its line already.
var errReported = errors.New("failures reported")

// oneLine keeps a message, whatever a file put into it, on its line, and leaves out the name of the package that it is
// of, which users do not know.
func oneLine(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "resnet: "), "calibrate: ")
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(s)
}

func main() {
	debug.SetGCPercent(25) // the heap is a few large arrays, which the collector scans quickly
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
