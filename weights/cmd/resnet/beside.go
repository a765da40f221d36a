package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
	"resnet-web/weights/labels"
)

// Hugging Face and timm publish a recipe beside the weights, as config.json and preprocessor_config.json.

// config is what matters of a config.json: of transformers, then of timm.
type config struct {
	ModelType string            `json:"model_type"`
	ID2Label  map[string]string `json:"id2label"`
	V1        bool              `json:"downsample_in_bottleneck"`
	Problem   string            `json:"problem_type"`
	Act       string            `json:"hidden_act"`
	First     bool              `json:"downsample_in_first_stage"`

	GlobalPool   string            `json:"global_pool"`
	Args         map[string]any    `json:"model_args"`
	Architecture string            `json:"architecture"`
	NumClasses   int               `json:"num_classes"`
	LabelNames   []string          `json:"label_names"`
	Descriptions map[string]string `json:"label_descriptions"`
	Pretrained   *struct {
		InputSize     []int     `json:"input_size"`
		TestInputSize []int     `json:"test_input_size"`
		CropPct       float64   `json:"crop_pct"`
		Interpolation string    `json:"interpolation"`
		Mean          []float32 `json:"mean"`
		Std           []float32 `json:"std"`
		NumClasses    int       `json:"num_classes"`
	} `json:"pretrained_cfg"`
}

// other is what c says of a network that computes something else than a plain ResNet with the same weights, "" if nothing.
func (c *config) other() string {
	for _, e := range []struct {
		name  string
		value any
		plain []any
	}{
		{"hidden_act", c.Act, []any{"", "relu"}},
		{"downsample_in_first_stage", c.First, []any{false}},
		{"global_pool", c.GlobalPool, []any{"", "avg", "fast"}},
		{"model_args.act_layer", c.Args["act_layer"], []any{nil, "relu"}},
		{"model_args.aa_layer", c.Args["aa_layer"], []any{nil, ""}},
		{"model_args.output_stride", c.Args["output_stride"], []any{nil, 32.0}},
		{"model_args.global_pool", c.Args["global_pool"], []any{nil, "avg", "fast"}},
	} {
		if !slices.ContainsFunc(e.plain, func(v any) bool { return reflect.DeepEqual(v, e.value) }) {
			return fmt.Sprintf("%s %v", e.name, e.value)
		}
	}
	return ""
}

// processor is what matters of a preprocessor_config.json.
type processor struct {
	Size      any       `json:"size"` // a number, {"shortest_edge"} or {"height", "width"}
	CropSize  any       `json:"crop_size"`
	CropPct   float64   `json:"crop_pct"`
	Crops     *bool     `json:"do_center_crop"`
	Resample  int       `json:"resample"` // as in Pillow
	Normalize *bool     `json:"do_normalize"`
	Mean      []float32 `json:"image_mean"`
	Std       []float32 `json:"image_std"`
}

// filters are Pillow's numbers, and timm's words.
var filters = map[string]string{"2": "bilinear", "3": "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}

// beside is what the files beside a checkpoint say of it; nothing where there are none.
type beside struct {
	classes []resnet.Class
	prep    *resnet.Prep
	strides bool // v1 is known
	v1      bool
	multi   bool // classes do not exclude each other
	notes   []string
	err     error // a network whose weights do not tell that it is another
}

// maxConfig is more than a config.json with 21,000 labels has.
const maxConfig = 8 << 20

// readJSON reads the file name beside the checkpoint at path into v, and reports whether it is there.
func readJSON(path, name string, v any) (bool, error) {
	f, err := os.Open(filepath.Join(filepath.Dir(path), name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxConfig)).Decode(v); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

// readBeside reads the files beside the checkpoint at path, whose network is f. Files of another network are noted, not
// used.
func readBeside(path string, f *resnet.Float) (b beside) {
	note := func(format string, args ...any) { b.notes = append(b.notes, fmt.Sprintf(format, args...)) }
	var c config
	there, err := readJSON(path, "config.json", &c)
	if err != nil {
		note("not used: %v", err)
		return b
	}
	if there {
		classes := max(len(c.ID2Label), c.NumClasses)
		if c.Pretrained != nil && classes == 0 {
			classes = c.Pretrained.NumClasses
		}
		what := c.ModelType + c.Architecture
		ours := c.ModelType == "resnet" || strings.Contains(c.Architecture, "resnet")
		if !ours || classes != 0 && classes != f.Classes {
			note("config.json beside it is not used: it is of %q with %d classes, this is %s with %d",
				what, classes, f.Name, f.Classes)
			return b
		}
		if strings.Contains(c.Architecture, "resnetblur") || strings.Contains(c.Architecture, "resnetaa") {
			b.err = fmt.Errorf("config.json beside it says that this is timm's %s, an anti-aliased ResNet, which blurs where it "+
				"strides and is not computed here; take the plain ResNet of that depth", c.Architecture)
			return b
		}
		if other := c.other(); other != "" {
			b.err = fmt.Errorf("config.json beside it says %s, which is not computed here: want ReLU, the strides of a plain "+
				"ResNet and its average; take such a network, or run this one with ONNX Runtime", other)
			return b
		}
		b.strides, b.v1 = true, c.V1
		if b.classes, err = c.labels(); err != nil {
			note("the labels of config.json are not used: %v", err)
		} else if b.classes != nil {
			note("labels are those of config.json beside it")
		}
		if b.multi = c.Problem == "multi_label_classification"; b.multi {
			note("the classes do not exclude each other, as config.json beside it says; -output softmax is for classes that do")
		}
	}
	if c.Pretrained != nil {
		if b.prep, err = c.prep(); err != nil {
			note("the recipe of config.json is not used: %v", err)
		} else {
			note("recipe of config.json beside it: %s", told(*b.prep))
			if t := c.Pretrained.TestInputSize; len(t) == 3 && t[1] != b.prep.Crop {
				note("config.json also has a size for tests: -resize %d -crop %d", t[1], t[1])
			}
		}
		return b
	}
	var p processor
	if there, err := readJSON(path, "preprocessor_config.json", &p); err != nil {
		note("not used: %v", err)
	} else if there {
		if b.prep, err = p.prep(); err != nil {
			note("the recipe of preprocessor_config.json is not used: %v", err)
		} else {
			note("recipe of preprocessor_config.json beside it: %s", told(*b.prep))
		}
	}
	return b
}

// told is a recipe as flags.
func told(p resnet.Prep) string {
	return fmt.Sprintf("-resize %d -crop %d -filter %s -mean %s -std %s",
		p.Resize, p.Crop, p.Filter, commas(p.Mean), commas(p.Std))
}

// labels are the names of the classes, nil where the file has none: transformers writes LABEL_0 and so on then.
func (c *config) labels() ([]resnet.Class, error) {
	var lines []string
	for i := range len(c.ID2Label) {
		lines = append(lines, c.ID2Label[strconv.Itoa(i)])
	}
	if len(lines) > 0 && lines[0] == "LABEL_0" || len(lines) == 1000 && strings.HasPrefix(lines[0], "tench") {
		return nil, nil // ImageNet's are here in better words
	}
	if lines == nil && len(c.LabelNames) > 0 {
		for _, name := range c.LabelNames {
			line := name
			if text := c.Descriptions[name]; text != "" {
				line = "\t" + text
				if len(name) == 9 && name[0] == 'n' {
					line = name + line
				}
			}
			lines = append(lines, line)
		}
	}
	if lines == nil {
		return nil, nil
	}
	return labels.Load(strings.NewReader(strings.Join(lines, "\n")))
}

// fill gives p means and deviations, and checks it.
func fill(p resnet.Prep, filter string, mean, std []float32) (*resnet.Prep, error) {
	var ok bool
	if p.Filter, ok = filters[filter]; !ok {
		return nil, fmt.Errorf("want bilinear or bicubic, it has filter %s", filter)
	}
	if n := len(mean); n != len(std) || n != 3 && n != 1 {
		return nil, fmt.Errorf("want three means and deviations, or one, it has %v and %v", mean, std)
	}
	p.Mean, p.Std = equal(mean[0]), equal(std[0]) // of one, for grey pictures
	copy(p.Mean[:], mean)
	copy(p.Std[:], std)
	if p.Crop < 32 || slices.Min(std) <= 1e-6 {
		return nil, fmt.Errorf("want a side of 32 or more and positive deviations, it has %d and %v", p.Crop, std)
	}
	return &p, p.Check()
}

// prep is timm's recipe: the shorter side is scaled to the crop divided by crop_pct.
func (c *config) prep() (*resnet.Prep, error) {
	t := c.Pretrained
	if len(t.InputSize) != 3 || t.InputSize[0] != 3 && t.InputSize[0] != 1 || t.InputSize[1] != t.InputSize[2] {
		return nil, fmt.Errorf("want input_size of 3 or 1, side and side, it has %v", t.InputSize)
	}
	pct := t.CropPct
	if pct == 0 {
		pct = 0.875
	}
	if !(pct > 0.1 && pct <= 1) {
		return nil, fmt.Errorf("want crop_pct of at most 1, it has %v", pct)
	}
	side := t.InputSize[1]
	return fill(resnet.Prep{Resize: int(math.Floor(float64(side) / pct)), Crop: side}, t.Interpolation, t.Mean, t.Std)
}

// side reads a size: a number, its shortest edge, or its height where that is its width.
func side(v any) (n int, square bool) {
	switch v := v.(type) {
	case float64:
		return int(v), false
	case map[string]any:
		if edge, ok := v["shortest_edge"].(float64); ok {
			return int(edge), false
		}
		h, _ := v["height"].(float64)
		if w, _ := v["width"].(float64); w == h {
			return int(h), true
		}
	}
	return 0, false
}

// prep is transformers' recipe. ConvNeXt's processor, which its ResNets use, scales to the size divided by crop_pct
// below 384 and squashes pictures above; the others scale and then crop.
func (p *processor) prep() (*resnet.Prep, error) {
	size, square := side(p.Size)
	crop, _ := side(p.CropSize)
	out := resnet.Prep{Resize: size, Crop: size, Floor: true} // transformers crops from (side − crop)//2 on
	switch {
	case size < 1:
		return nil, fmt.Errorf("want a size, it has %v", p.Size)
	case p.Crops != nil && *p.Crops && crop > 0:
		out.Crop = crop
	case p.CropPct > 0.1 && p.CropPct <= 1 && size < 384:
		out.Resize = int(float64(size) / p.CropPct)
	case square || size >= 384:
		return nil, fmt.Errorf("it squashes pictures to %d×%d, here the centre is cropped; give -resize and -crop",
			size, size)
	}
	if p.Normalize != nil && !*p.Normalize {
		p.Mean, p.Std = []float32{0, 0, 0}, []float32{1, 1, 1}
	}
	return fill(out, strconv.Itoa(p.Resample), p.Mean, p.Std)
}
