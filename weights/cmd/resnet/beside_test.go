package main

import (
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"resnet-web/resnet"
)

// TestBlurred refuses timm's anti-aliased networks, whose weights have the names and shapes of plain ones.
func TestBlurred(t *testing.T) {
	for _, arch := range []string{"resnetblur18", "resnetaa50"} {
		data, err := os.ReadFile(fixture)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "net.pth")
		config := []byte(`{"architecture":"` + arch + `","num_classes":5}`)
		if err := errors.Join(os.WriteFile(path, data, 0o644), os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := new(recipe).read(path); err == nil || !strings.Contains(err.Error(), arch+", an anti-aliased ResNet") {
			t.Errorf("%s: got %v", arch, err)
		}
	}
}

// TestOther refuses networks that compute something else with the weights of a plain one, as config.json tells.
func TestOther(t *testing.T) {
	data, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{
		`{"model_type":"resnet","hidden_act":"gelu"}`:                                       "hidden_act gelu",
		`{"model_type":"resnet","hidden_act":"relu","downsample_in_first_stage":true}`:      "downsample_in_first_stage true",
		`{"architecture":"resnet18","global_pool":"max"}`:                                   "global_pool max",
		`{"architecture":"resnet18","model_args":{"act_layer":"silu"}}`:                     "model_args.act_layer silu",
		`{"architecture":"resnet18","model_args":{"output_stride":8}}`:                      "model_args.output_stride 8",
		`{"architecture":"resnet18","model_args":{"aa_layer":["x"]}}`:                       "model_args.aa_layer [x]",
		`{"architecture":"resnet18","global_pool":"avg","model_args":{"output_stride":32}}`: "",
		`{"model_type":"resnet","hidden_act":"relu","downsample_in_first_stage":false}`:     "",
		`{"architecture":"vit","model_args":{"act_layer":"silu"}}`:                          "", // of another network
		`{"architecture":"resnet18","model_args":{"drop_rate":0.1,"act_layer":"relu"}}`:     "",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "net.pth")
		err := errors.Join(os.WriteFile(path, data, 0o644), os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, err = new(recipe).read(path)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "says "+want+", which") {
			t.Errorf("%s: got %v", config, err)
		}
	}
}

// TestGrey gives a network of grey pictures one mean and one deviation.
func TestGrey(t *testing.T) {
	const grey = "../../checkpoint/testdata/grey"
	for _, test := range []struct {
		args      recipe
		mean, std float32 // 0 for an error
	}{
		{recipe{}, 0.5, 0.25}, // the network has them inside
		{recipe{mean: "0.1307", std: "0.3081"}, 0.1307, 0.3081},
		{recipe{mean: "0.1,0.1,0.1"}, 0.1, 0.25},
		{recipe{mean: "0.1,0.2,0.1"}, 0, 0},
	} {
		for _, ext := range []string{".safetensors", ".onnx"} {
			args := test.args
			_, prep, _, err := args.read(grey + ext)
			switch {
			case test.std == 0 && (err == nil || !strings.Contains(err.Error(), "want one mean and one deviation")):
				t.Errorf("%+v: got %v", test.args, err)
			case test.std != 0 && (err != nil || prep.Mean != equal(test.mean) || prep.Std != equal(test.std)):
				t.Errorf("%+v: %+v, %v; want %v and %v", test.args, prep, err, test.mean, test.std)
			case test.std != 0 && !strings.Contains(strings.Join(args.notes, "\n"), "grey pictures"):
				t.Errorf("%+v: notes %q", test.args, args.notes)
			}
		}
	}
}

// TestPaper names networks with their strides in the first convolution so that they are read under that name.
func TestPaper(t *testing.T) {
	for file, want := range map[string]string{
		"bottleneck.pth": "resnet50v1", "small-bottleneck.safetensors": "resnet14sv1", "cifar-bottleneck.safetensors": "resnet11cifarbottleneckv1",
	} {
		path := "../../checkpoint/testdata/" + file
		f, err := loadFloat(path, "", 0)
		if err != nil || !strings.Contains(f.strides, "-arch "+want+" is") {
			t.Errorf("%s: note %q, %v", file, f.strides, err)
			continue
		}
		v1, err := loadFloat(path, want, 0)
		if err != nil || !v1.V1 || v1.Depth != f.Depth || v1.Small != f.Small || v1.Width != f.Width {
			t.Errorf("%s as %s: %v", file, want, err)
		}
	}
}

// TestBeside takes the recipe, the strides and the labels from the files that Hugging Face and timm put beside weights.
func TestBeside(t *testing.T) {
	imagenet := resnet.ImageNetPrep
	timm := func(resize, crop int, filter string) resnet.Prep {
		return resnet.Prep{Resize: resize, Crop: crop, Filter: filter, Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.25, .25, .25}}
	}
	of := func(resize, crop int, filter string) resnet.Prep { // transformers
		p := timm(resize, crop, filter)
		p.Floor = true
		return p
	}
	const five = `"id2label":{"0":"circle","1":"square","2":"star","3":"cross","4":"wave"}`
	const values = `"image_mean":[0.5,0.5,0.5],"image_std":[0.25,0.25,0.25]`
	for _, test := range []struct {
		name, config, processor string
		args                    recipe
		prep                    resnet.Prep
		label, note             string
	}{
		{"transformers", `{"model_type":"resnet",` + five + `}`, `{"size":{"shortest_edge":224},"crop_pct":0.875,"resample":3,` + values + `}`, recipe{}, of(256, 224, "bicubic"), "circle", "preprocessor_config.json beside it: -resize 256"},
		{"an older one", `{"model_type":"resnet",` + five + `}`, `{"size":96,"crop_pct":0.75,"resample":2,` + values + `}`, recipe{}, of(128, 96, "bilinear"), "circle", ""},
		{"with a crop", `{"model_type":"resnet",` + five + `}`, `{"size":{"shortest_edge":64},"do_center_crop":true,"crop_size":{"height":48,"width":48},"resample":3,` + values + `}`, recipe{}, of(64, 48, "bicubic"), "circle", ""},
		{"flags go first", `{"model_type":"resnet"}`, `{"size":96,"crop_pct":0.75,"resample":3,` + values + `}`, recipe{filter: "bilinear", resize: 100}, of(100, 96, "bilinear"), "class 0", ""},
		{"no names", `{"model_type":"resnet","id2label":{"0":"LABEL_0","1":"LABEL_1","2":"LABEL_2","3":"LABEL_3","4":"LABEL_4"}}`, "", recipe{}, imagenet, "class 0", ""},
		{"squashed", `{"model_type":"resnet"}`, `{"size":{"height":224,"width":224},"resample":2,` + values + `}`, recipe{}, imagenet, "class 0", "squashes"},
		{"timm", `{"architecture":"resnet18","num_classes":5,"label_names":["a","b","c","d","e"],"label_descriptions":{"a":"circle"},"pretrained_cfg":{"input_size":[3,224,224],"test_input_size":[3,288,288],"crop_pct":0.95,"interpolation":"bicubic","mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}}`, "", recipe{}, timm(235, 224, "bicubic"), "circle", "-resize 288 -crop 288"},
		{"multi-label", `{"model_type":"resnet","problem_type":"multi_label_classification",` + five + `}`, "", recipe{}, imagenet, "circle", "the classes do not exclude each other"},
		{"multi-label, not wanted", `{"model_type":"resnet","problem_type":"multi_label_classification",` + five + `}`, "", recipe{output: "softmax"}, imagenet, "circle", "-output softmax is for"},
		{"one label", `{"model_type":"resnet","problem_type":"single_label_classification",` + five + `}`, "", recipe{}, imagenet, "circle", ""},
		{"another network", `{"model_type":"vit",` + five + `}`, `{"size":96,"crop_pct":0.75,"resample":3,` + values + `}`, recipe{}, imagenet, "class 0", `is of "vit" with 5 classes`},
		{"other classes", `{"model_type":"resnet","id2label":{"0":"a","1":"b"}}`, "", recipe{}, imagenet, "class 0", "with 2 classes"},
		{"the same label twice", `{"model_type":"resnet","id2label":{"0":"a","1":"a","2":"c","3":"d","4":"e"}}`, "", recipe{}, imagenet, "class 0", "labels of config.json are not used"},
		{"no JSON", `{"model_type":`, "", recipe{}, imagenet, "class 0", "not used: config.json"},
		{"a deviation of 0", `{"model_type":"resnet"}`, `{"size":96,"crop_pct":0.75,"resample":3,"image_mean":[0,0,0],"image_std":[0,0,0]}`, recipe{}, imagenet, "class 0", "positive deviations"},
	} {
		dir := t.TempDir()
		data, err := os.ReadFile(fixture)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "pytorch_model.bin")
		for name, text := range map[string]string{"pytorch_model.bin": string(data), "config.json": test.config, "preprocessor_config.json": test.processor} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, prep, classes, err := test.args.read(path)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if prep != test.prep || classes[0].Label("en") != test.label {
			t.Errorf("%s: %+v, %q, want %+v, %q", test.name, prep, classes[0].Label("en"), test.prep, test.label)
		}
		if want := test.name == "multi-label"; test.args.multi != want {
			t.Errorf("%s: multi-label %v, want %v", test.name, test.args.multi, want)
		}
		if notes := strings.Join(test.args.notes, "\n"); !strings.Contains(notes, test.note) {
			t.Errorf("%s: notes\n%s\nlack %q", test.name, notes, test.note)
		}
	}

	// The strides of a bottleneck.
	data, err := os.ReadFile("../../checkpoint/testdata/bottleneck-hf.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]bool{`{"model_type":"resnet","downsample_in_bottleneck":true}`: true, `{"model_type":"resnet","downsample_in_bottleneck":false}`: false, "": false} {
		dir := t.TempDir()
		path := filepath.Join(dir, "model.safetensors")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if config != "" {
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var r recipe
		f, _, _, err := r.read(path)
		if err != nil {
			t.Fatal(err)
		}
		if guessed := strings.Contains(strings.Join(r.notes, "\n"), "-arch resnet50v1"); f.V1 != want || guessed != (config == "") {
			t.Errorf("config %s: v1 %t, notes %q", config, f.V1, r.notes)
		}
	}
}

// TestCropRounding crops as the library rounds whose recipe it is: transformers begins at (side − crop)//2, torchvision,
// and so timm, at the nearest even one of two halves.
func TestCropRounding(t *testing.T) {
	const w, h, crop = 71, 67, 32 // 39 and 35 are over
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(3 * x), uint8(3 * y), uint8(x ^ y), 255})
		}
	}
	yes, no := true, false
	p := processor{Size: float64(h), Crops: &yes, CropSize: float64(crop), Resample: 2, Normalize: &no}
	hf, err := p.prep()
	if err != nil {
		t.Fatal(err)
	}
	tv := *hf
	tv.Floor = false
	for _, test := range []struct {
		prep      resnet.Prep
		left, top int
	}{{*hf, (w - crop) / 2, (h - crop) / 2}, {tv, 20, 18}} { // 19.5 and 17.5
		got, _, err := resnet.Fit(img, test.prep, resnet.View{}) // the shorter side is as long as wanted: nothing is scaled
		if err != nil {
			t.Fatal(err)
		}
		for y := range crop {
			for x := range crop {
				want := img.NRGBAAt(test.left+x, test.top+y)
				if c := got.RGBAAt(x, y); c.R != want.R || c.G != want.G || c.B != want.B {
					t.Fatalf("floor %v: pixel %d, %d is %v, want %v", test.prep.Floor, x, y, c, want)
				}
			}
		}
	}
}
