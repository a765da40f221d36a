// Package labels names what a network can see: the classes of ImageNet-1000 and Tiny-ImageNet-200, in English and
// Simplified Chinese, and the lists that users bring for checkpoints of their own.
//
// A label is the short everyday name of what the pictures of a class show, which is not always the first word of its
// WordNet entry: n07579787, "plate", holds plates of food, and n04067472, "reel", fishing reels. Labels are lower
// case but for proper nouns, and within a table each one is unique in its language, so that a label alone tells the
// class: of the two cranes, one is a "crane (bird)" and the other a "construction crane".
package labels

import (
	"bufio"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"resnet-web/resnet"
)

//go:embed imagenet1000.tsv
var imagenet1000 string // in the form that Load reads

//go:embed tiny200.txt
var tiny200 string // in the same form, with ids only

// ImageNet1000 returns the classes of ILSVRC 2012 in the order of every public ImageNet checkpoint. The result is the
// caller's own.
func ImageNet1000() []resnet.Class {
	classes, err := Load(strings.NewReader(imagenet1000))
	if err != nil {
		panic(err) // the table is part of the program
	}
	return classes
}

// Tiny200 returns the classes of Tiny-ImageNet-200 in the order of their WordNet ids, with the labels of
// ImageNet1000. The result is the caller's own.
func Tiny200() []resnet.Class {
	classes, err := Load(strings.NewReader(tiny200))
	if err != nil {
		panic(err)
	}
	return classes
}

var wordNetID = regexp.MustCompile(`^n[0-9]{8}$`)

// Load reads a list of classes, one per line, in the order of the network's outputs. A line is an English label, or
//
//	id <TAB> English label
//	id <TAB> English label <TAB> Chinese label
//	id
//
// where id is a WordNet id such as n02099712, or nothing. A line with only an id takes its labels from ImageNet1000.
// The text is UTF-8, with or without a byte order mark, with lines ended by LF or CRLF; space around a field is dropped,
// and so are empty lines at the end.
//
// # Errors
//
// Load names the line that is empty before others, malformed, not UTF-8 or has a NUL, or repeats the id or label of another line.
func Load(r io.Reader) ([]resnet.Class, error) {
	var classes []resnet.Class
	seen := make(map[string]int)         // field kind + text → line
	var imagenet map[string]resnet.Class // by id, once a line asks for it
	blank := 0                           // the first empty line, which may only be at the end
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if !utf8.ValidString(line) {
			return nil, fmt.Errorf("labels: line %d: want UTF-8 text, found other bytes; save the file as UTF-8", n)
		}
		if strings.IndexByte(line, 0) >= 0 {
			return nil, fmt.Errorf("labels: line %d: want text, found a byte 0", n)
		}
		if strings.TrimSpace(line) == "" {
			blank = cmp.Or(blank, n)
			continue
		}
		if blank > 0 {
			return nil, fmt.Errorf("labels: line %d: want a label, the line is empty; remove it or name the class", blank)
		}
		fields := strings.Split(line, "\t")
		switch id := strings.TrimSpace(line); {
		case len(fields) == 1 && wordNetID.MatchString(id):
			if imagenet == nil {
				imagenet = make(map[string]resnet.Class)
				for _, c := range ImageNet1000() {
					imagenet[c.ID] = c
				}
			}
			c, ok := imagenet[id]
			if !ok {
				return nil, fmt.Errorf("labels: line %d: %s is none of ImageNet's 1000 classes; write its label behind it, after a tab", n, id)
			}
			fields = []string{id, c.Labels["en"], c.Labels["zh"]}
		case len(fields) == 1:
			fields = []string{"", line}
		}
		if len(fields) > 3 {
			return nil, fmt.Errorf("labels: line %d: want at most id, English and Chinese label, found %d fields separated by tabs", n, len(fields))
		}
		for i, s := range fields {
			s = strings.TrimSpace(s)
			fields[i] = s
			kind := [...]string{"id", "English label", "Chinese label"}[i]
			switch {
			case s == "" && i > 0:
				return nil, fmt.Errorf("labels: line %d: the %s is empty; name it or leave out its tab", n, kind)
			case s == "":
				continue
			case i == 0 && !wordNetID.MatchString(s):
				return nil, fmt.Errorf("labels: line %d: want a WordNet id such as n02099712 before the first tab, or nothing; found %q", n, s)
			}
			if first := seen[kind+s]; first > 0 {
				return nil, fmt.Errorf("labels: line %d: the %s %q is already on line %d; make them different", n, kind, s, first)
			}
			seen[kind+s] = n
		}
		c := resnet.Class{ID: fields[0], Labels: map[string]string{"en": fields[1]}}
		if len(fields) == 3 {
			c.Labels["zh"] = fields[2]
		}
		classes = append(classes, c)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("labels: line %d: want a label, the line is longer than %d bytes; is this a text file?", len(classes)+1, bufio.MaxScanTokenSize)
	case err != nil:
		return nil, fmt.Errorf("labels: after line %d: %w", len(classes), err)
	case len(classes) == 0:
		return nil, errors.New("labels: want one class per line, the file is empty")
	}
	return classes, nil
}
