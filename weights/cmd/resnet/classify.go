package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"math"
	"os"
	"slices"
	"time"

	"resnet-web/resnet"
	"resnet-web/resnet/decode"
	"resnet-web/weights/calibrate"
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
	MS          float64      `json:"ms"`
}

func classify(c *call) error {
	model := c.String("model", "", "model `file` (default: the built-in model)")
	check := c.String("checkpoint", "", "classify in float32, straight from this checkpoint `file`")
	var r recipe
	r.flags(c)
	k := c.Int("k", 5, "number of classes to print")
	simd := simd(c)
	lang := c.String("lang", "en", "language of the labels")
	heat := c.String("heatmap", "", "draw where the best class is seen over each image's crop: `PNG` file to write, with several images a folder")
	asJSON := c.Bool("json", false, `print {"file","predictions":[{"index","id","label","probability"}],"ms"} for each image, one a line; ms is the time from file to answer`)
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
	var own string
	c.Visit(func(f *flag.Flag) {
		if slices.Contains(recipeFlags, f.Name) {
			own = f.Name
		}
	})
	if own != "" && *check == "" {
		return fmt.Errorf("classify: -%s goes with -checkpoint; a model file knows its own", own)
	}

	drawing, wanted := []string(nil), resnet.HeatmapNone
	if *heat != "" {
		var err error
		if drawing, err = heatmapFiles(*heat, c.args); err != nil {
			return err
		}
		wanted = resnet.HeatmapBest
	}

	var predict func(img image.Image) (resnet.Result, error)
	var prep resnet.Prep // the model's
	if *check != "" {
		f, p, classes, err := r.read(*check)
		if err != nil {
			return err
		}
		say(c.stderr, *check, r.notes)
		predict = func(img image.Image) (resnet.Result, error) { return floatClassify(f, p, classes, img, *k, *lang) }
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
		prep = m.Prep
		predict = func(img image.Image) (resnet.Result, error) {
			return cl.Classify(img, resnet.View{}, resnet.Options{TopK: *k, Lang: *lang, Heatmap: wanted})
		}
	}

	failed := false
	for i, name := range c.args {
		start := time.Now()
		var answer resnet.Result
		img, err := readPicture(name)
		if err == nil {
			answer, err = predict(img)
		}
		took := time.Since(start)
		if err == nil && drawing != nil {
			err = writeHeatmap(drawing[i], img, prep, answer.Heatmap)
		}
		if err != nil {
			fmt.Fprintf(c.stderr, "resnet: %s: %s\n", name, oneLine(err.Error()))
			failed = true
			continue
		}
		out := classified{File: name, Predictions: []prediction{}, MS: float64(took.Microseconds()) / 1000}
		for _, p := range answer.Predictions {
			out.Predictions = append(out.Predictions, prediction(p))
		}
		if *asJSON {
			line, err := json.Marshal(out)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "%s\n", line)
			continue
		}
		note := ""
		if !answer.Sure {
			note = " (not sure)"
		}
		fmt.Fprintf(c.stdout, "%s%s\n", name, note)
		for _, p := range out.Predictions {
			fmt.Fprintf(c.stdout, "  %5.1f %%  %s", 100*p.Probability, p.Label)
			if p.ID != "" {
				fmt.Fprintf(c.stdout, "  %s", p.ID)
			}
			fmt.Fprintln(c.stdout)
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// readPicture decodes an image file.
func readPicture(name string) (image.Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode.Decode(f)
}

// floatClassify is Classify by the float32 oracle.
func floatClassify(f *resnet.Float, prep resnet.Prep, classes []resnet.Class, img image.Image, k int, lang string) (resnet.Result, error) {
	crop, _, err := resnet.Fit(img, prep, resnet.View{})
	if err != nil {
		return resnet.Result{}, err
	}
	logits := f.Forward(calibrate.Normalise(crop, prep), prep.Crop, nil)
	p := make([]float64, len(logits))
	resnet.Softmax(p, logits, 1)
	keep, err := resnet.Keep(classes, nil, nil)
	if err != nil {
		return resnet.Result{}, err
	}
	r := resnet.Result{Sure: true}
	for _, i := range resnet.TopK(logits, p, keep, k, 0) {
		r.Predictions = append(r.Predictions, resnet.Prediction{Index: i, ID: classes[i].ID, Label: classes[i].Label(lang), Probability: p[i]})
	}
	return r, nil
}
