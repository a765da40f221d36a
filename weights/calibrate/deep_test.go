package calibrate

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights"
)

// TestDeep takes deep and plain networks the whole way, through a model file into the executors, which leave the same
// bytes. Run with -v it prints what README.md here reports of them.
func TestDeep(t *testing.T) {
	p := resnet.Prep{Resize: 32, Crop: 32, Filter: "bilinear", Mean: prep.Mean, Std: prep.Std}
	pictures := synthetic(p, 2, 2)
	for _, name := range []string{"plain20cifar", "plain34x0.25", "resnet56cifar", "resnet110cifar", "resnet1202cifar"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "resnet1202cifar" {
				t.Skip("takes half a minute")
			}
			f := network(t, name)
			start := time.Now()
			lap := func() time.Duration {
				d := time.Since(start).Round(time.Millisecond)
				start = time.Now()
				return d
			}
			m, r, err := Quantise(f, p, pictures[:1], Options{})
			if err != nil {
				t.Fatal(err)
			}
			quantise := lap()
			var file bytes.Buffer
			if err := weights.Write(&file, m); err != nil {
				t.Fatal(err)
			}
			if m, err = weights.Read(file.Bytes()); err != nil {
				t.Fatal(err)
			}
			lap()
			program, err := resnet.Compile(m)
			if err != nil {
				t.Fatal(err)
			}
			compile := lap()
			in := make([]byte, program.Input.Bytes())
			program.Quantise(in, pictures[1].Pix)

			// run returns what every kept tensor holds after two runs, and the time of the second.
			run := func(make func(*engine.Program) (engine.Executor, error)) (kept []byte, start, took time.Duration) {
				lap()
				e, err := make(program)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				start = lap()
				for range 2 {
					lap()
					if err := errors.Join(e.SetImage(in), e.Run()); err != nil {
						t.Fatal(err)
					}
					took = lap()
				}
				for _, x := range []engine.Tensor{program.Last, program.Features, program.Logits} {
					b := bytes.Repeat([]byte{0xaa}, x.Bytes())
					if err := e.Read(x, b); err != nil {
						t.Fatal(err)
					}
					kept = append(kept, b...)
				}
				return kept, start, took
			}
			want, _, reference := run(engine.Reference)
			got, ready, native := run(engine.Native)
			two, _, _ := run(func(p *engine.Program) (engine.Executor, error) {
				return engine.NativeWith(p, engine.NativeOptions{Threads: 2})
			})
			if !bytes.Equal(got, want) || !bytes.Equal(two, want) {
				t.Error("the executors leave different bytes")
			}
			t.Logf("%d layers, %d ops, model file %d bytes, activations %d bytes; quantised in %v, compiled in %v, native ready in %v; an image takes %v in plain Go, %v native; features %.1f dB",
				m.Depth, len(program.Ops), file.Len(), program.Arena, quantise, compile, ready, reference, native, r.Features)
		})
	}
}
