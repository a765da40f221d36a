package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"resnet-web/resnet"
	"resnet-web/resnet/decode"
)

// prediction and classified are the JSON of classify.
type prediction struct {
	Index       int     `json:"index"`
	ID          string  `json:"id"`
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

type classified struct {
	File        string       `json:"file"`
	Predictions []prediction `json:"predictions"`
	Sure        bool         `json:"sure"`
	MS          float64      `json:"ms"`
}

// failed is the JSON of classify for a picture that could not be read, and part of that of eval.
type failed struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

func classify(c *call) error {
	model := c.String("model", "", "model `file` (default: the built-in model)")
	check := c.String("checkpoint", "", "classify in float32, straight from this checkpoint `file`")
	var r recipe
	r.flags(c)
	k := c.Int("k", 5, "number of classes to print")
	simd := simd(c)
	lang := c.String("lang", "en", "language of the labels")
	heat := c.String("heatmap", "",
		"draw where the best class is seen over each image's crop: `PNG` file to write, with several images, or a folder of them, a folder")
	asJSON := c.Bool("json", false,
		`print {"file","predictions":[{"index","id","label","probability"}],"sure","ms"} for each image, one a line; ms is the time from file to answer; {"file","error"} for one that fails`)
	asCSV := c.Bool("csv", false,
		"print lines file,rank,index,id,label,probability,sure (RFC 4180), after one with these names")
	if err := c.parse(1, math.MaxInt); err != nil {
		return err
	}
	if *k < 1 {
		return fmt.Errorf("-k: want 1 or more, got %d", *k)
	}
	if *model != "" && *check != "" {
		return fmt.Errorf("classify: want -model or -checkpoint, got both")
	}
	if *heat != "" && *check != "" {
		return fmt.Errorf("classify: -heatmap goes with a model, not with -checkpoint")
	}
	if *asJSON && *asCSV {
		return fmt.Errorf("classify: want -json or -csv, got both")
	}
	var own string
	given := map[string]bool{}
	c.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		if slices.Contains(recipeFlags, f.Name) {
			own = f.Name
		}
	})
	if own != "" && *check == "" {
		return fmt.Errorf("classify: -%s goes with -checkpoint; a model file knows its own", own)
	}

	pictures, lost, err := list(c)
	if err != nil {
		return err
	}
	wanted := resnet.HeatmapNone
	if *heat != "" {
		if err := heatmapFiles(*heat, pictures, *model); err != nil {
			return err
		}
		wanted = resnet.HeatmapBest
	}

	many := false
	unsure := 0.0 // of the model
	var predict func(img image.Image) (resnet.Result, error)
	var prep resnet.Prep // the model's
	var classes []resnet.Class
	if *check != "" {
		f, p, names, err := r.read(*check)
		if err != nil {
			return err
		}
		say(c.stderr, *check, r.notes)
		classes, many = names, r.multi
		if many {
			unsure = 0.5
		}
		m := &resnet.Model{MultiLabel: many, Temperature: 1, Unsure: float32(unsure)}
		predict = func(img image.Image) (resnet.Result, error) { return floatClassify(f, m, p, img, *k) }
	} else {
		m, err := loadModel(*model)
		if err != nil {
			return err
		}
		cl, err := resnet.NewClassifier(m, *simd)
		if err != nil {
			return err
		}
		defer cl.Close()
		prep, classes, many, unsure = m.Prep, m.Classes, m.MultiLabel, float64(m.Unsure)
		predict = func(img image.Image) (resnet.Result, error) {
			return cl.Classify(img, resnet.View{}, resnet.Options{TopK: *k, Heatmap: wanted})
		}
	}

	spoken(c, classes, *lang)
	show := asText
	if many {
		show = func(w io.Writer, r classified) error { return asTextOfMany(w, r, unsure) }
		if !given["k"] && !*asJSON && !*asCSV {
			*k = len(classes)
		}
	}
	switch {
	case *asJSON:
		show = asJSONLine
	case *asCSV:
		show = asCSVLines
		if _, err := io.WriteString(c.stdout, csvHeader); err != nil {
			return err
		}
	}
	for _, p := range pictures {
		start := time.Now()
		var answer resnet.Result
		img, err := p.read(c)
		if err == nil {
			answer, err = predict(img)
		}
		took := time.Since(start)
		if err == nil && p.heatmap != "" {
			err = writeHeatmap(p.heatmap, img, prep, answer.Heatmap)
		}
		if err != nil {
			lost++
			fmt.Fprintf(c.stderr, "resnet: %s: %s\n", printable(p.name), oneLine(err.Error()))
			if *asJSON {
				if err := printJSON(c.stdout, failed{p.name, oneLine(err.Error())}); err != nil {
					return err
				}
			}
			continue
		}
		out := classified{File: p.name, Predictions: []prediction{}, Sure: answer.Sure,
			MS: float64(took.Microseconds()) / 1000}
		for _, p := range answer.Predictions {
			class := classes[p.Index]
			out.Predictions = append(out.Predictions, prediction{p.Index, class.ID, class.Label(*lang), p.Probability})
		}
		if err := show(c.stdout, out); err != nil {
			return err
		}
	}
	if lost > 0 {
		return errReported
	}
	return nil
}

func asJSONLine(w io.Writer, r classified) error { return printJSON(w, r) }

func printJSON(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", line)
	}
	return err
}

const csvHeader = "file,rank,index,id,label,probability,sure\r\n"

func asCSVLines(w io.Writer, r classified) error {
	lines := csv.NewWriter(w)
	lines.UseCRLF = true
	for i, p := range r.Predictions {
		lines.Write([]string{r.File, strconv.Itoa(i + 1), strconv.Itoa(p.Index), p.ID, p.Label,
			strconv.FormatFloat(p.Probability, 'g', -1, 64), strconv.FormatBool(r.Sure)})
	}
	lines.Flush()
	return lines.Error()
}

func asText(w io.Writer, r classified) error {
	remark := ""
	if !r.Sure {
		remark = " (not sure)"
	}
	return asTextWith(w, r, remark)
}

// asTextOfMany prints those of the classes, which do not exclude each other, that reach a probability, or else the best.
func asTextOfMany(w io.Writer, r classified, unsure float64) error {
	n := 0
	for n < len(r.Predictions) && r.Predictions[n].Probability >= unsure {
		n++
	}
	remark := ""
	if n == 0 {
		n, remark = min(1, len(r.Predictions)), fmt.Sprintf(" (nothing reaches %.0f %%)", 100*unsure)
	}
	r.Predictions = r.Predictions[:n]
	return asTextWith(w, r, remark)
}

// asTextWith prints all predictions, and a remark behind the picture's name.
func asTextWith(w io.Writer, r classified, remark string) error {
	var b strings.Builder
	b.WriteString(printable(r.File))
	b.WriteString(remark)
	b.WriteByte('\n')
	for _, p := range r.Predictions {
		fmt.Fprintf(&b, "  %5.1f %%  %s", 100*p.Probability, printable(p.Label))
		if p.ID != "" {
			fmt.Fprintf(&b, "  %s", printable(p.ID))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// picture is one of those to classify.
type picture struct {
	name    string // as it is printed, and its path; "-" for standard input
	inside  string // its path inside the folder that was named, or its own name
	folder  bool   // it was found in a folder
	heatmap string // file for its heat map, "" for none
}

// list is what the arguments name: pictures, folders with the pictures in them and below, in order, and "-". A folder
// that cannot be read, or has no pictures, is reported and counted as lost.
func list(c *call) (pictures []picture, lost int, err error) {
	for i, arg := range c.args {
		if arg == "" {
			return nil, 0, errors.New("classify: want a picture, a folder or -, got an empty name")
		}
		if arg == stdin {
			if slices.Contains(c.args[:i], stdin) {
				return nil, 0, errors.New("classify: want - once, as standard input has one picture")
			}
			pictures = append(pictures, picture{name: stdin, inside: "stdin"})
			continue
		}
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			pictures = append(pictures, picture{name: arg, inside: filepath.Base(arg)})
			continue
		}
		d, err := openDataset(arg)
		if err != nil {
			fmt.Fprintf(c.stderr, "resnet: %s\n", oneLine(err.Error()))
			lost++
			continue
		}
		passedOver(c, printable(arg), d)
		for _, im := range d.Images {
			inside := filepath.FromSlash(im.Name)
			pictures = append(pictures, picture{name: filepath.Join(arg, inside), inside: inside, folder: true})
		}
	}
	return pictures, lost, nil
}

// stdin is the argument that stands for standard input.
const stdin = "-"

// read decodes the picture.
func (p picture) read(c *call) (image.Image, error) {
	if p.name == stdin {
		return decode.Decode(c.stdin)
	}
	f, err := os.Open(p.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode.Decode(f)
}

// floatClassify is Classify by the float32 oracle, with what m says of probabilities.
func floatClassify(f *resnet.Float, m *resnet.Model, prep resnet.Prep, img image.Image, k int) (resnet.Result, error) {
	crop, _, err := resnet.Fit(img, prep, resnet.View{})
	if err != nil {
		return resnet.Result{}, err
	}
	logits := f.Forward(prep.Normalise(crop), prep.Crop, nil)
	p := make([]float64, len(logits))
	m.Probabilities(p, logits)
	keep := slices.Repeat([]bool{true}, len(logits))
	var r resnet.Result
	for _, i := range resnet.TopK(logits, p, keep, k, 0) {
		r.Predictions = append(r.Predictions, resnet.Prediction{Index: i, Probability: p[i]})
	}
	r.Sure = r.Predictions[0].Probability >= float64(m.Unsure)
	return r, nil
}
