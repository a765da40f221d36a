//go:build !js

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"resnet-web/engine/kernels"
)

func TestNativeEqualsReference(t *testing.T) {
	for i, s := range shapes() {
		p := s.program(uint64(i))
		for _, threads := range []int{1, 2, 3, 4} {
			if threads > 1 && i%3 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%v/threads=%d", s, threads), func(t *testing.T) {
				e, err := NativeWith(p, NativeOptions{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				runBoth(t, p, e)
			})
		}
	}
}

func TestNativeScales(t *testing.T) {
	for i, p := range scalePrograms {
		for _, threads := range []int{1, 3} {
			if testing.Short() && threads > 1 && i > 0 { // how work is shared out does not depend on the image's size
				continue
			}
			t.Run(fmt.Sprintf("%d/threads=%d", p.ImageSize(), threads), func(t *testing.T) {
				e, err := NativeWith(p, NativeOptions{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				scaleBoth(t, p, e, scaleCases(p.ImageSize()))
				refuse(t, p, e)
			})
		}
	}
}

// A picture leaves the machine's memory as it was but for the image and what pictures pass through.
func TestNativeScalesInItsPlace(t *testing.T) {
	for _, p := range scalePrograms[:4] {
		executor, err := Native(p)
		if err != nil {
			t.Fatal(err)
		}
		defer executor.Close()
		e := executor.(*native)
		memory, _ := e.memory.Read(0, e.memory.Size())
		for i := range memory[e.m.arena:][:p.Arena] {
			memory[e.m.arena+i] = 0xa5
		}
		end := e.m.feed.program + 8*kernels.RecordSize
		for i := end; i < len(memory); i++ {
			memory[i] = 0xa5
		}
		before := bytes.Clone(memory)
		in := e.m.arena + p.Input.Offset
		for i, c := range scaleCases(p.ImageSize()) {
			s := c.scaler(t)
			if err := errors.Join(e.Begin(s), e.Write(c.picture(s, uint64(i)), c.format)); err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			for _, part := range [][2]int{{0, in}, {in + footprint(p.Input), e.m.feed.columns}, {end, len(memory)}} {
				if !bytes.Equal(before[part[0]:part[1]], memory[part[0]:part[1]]) {
					t.Fatalf("%v: memory between %d and %d has changed; the image is at %d", c, part[0], part[1], in)
				}
			}
		}
	}
}
