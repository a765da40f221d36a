package calibrate

import (
	"image"
	"os"
	"testing"

	"resnet-web/resnet"
	"resnet-web/weights/checkpoint"
)

// TestTrained holds what is calibrated without images against the float network, on nets that somebody has trained:
// random ones flatter, as their activations go together in no way.
func TestTrained(t *testing.T) {
	if testing.Short() {
		t.Skip("runs three networks over photographs")
	}
	const shared = "../../../shared/data/"
	cifar := resnet.Prep{Resize: 32, Crop: 32, Filter: "bilinear", Mean: resnet.ImageNetPrep.Mean, Std: resnet.ImageNetPrep.Std}
	tiny := cifar
	tiny.Resize, tiny.Crop = 128, 128
	for _, net := range []struct {
		file  string
		prep  resnet.Prep
		least float64 // dB of the logits
	}{
		{shared + "cifar-resnets/resnet20-12fca82f.th", cifar, 25},
		{shared + "cifar-resnets/resnet56-4bfd9763.th", cifar, 25},
		{"../train/resnet18-tiny200.pth", tiny, 27},
	} {
		crops := photographs(t, shared+"tiny-imagenet/val.zip", net.prep)
		c, err := checkpoint.Open(net.file)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f, err := c.Float("")
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := Quantise(f, net.prep, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := outputs(m, crops, func() {})
		if err != nil {
			t.Fatal(err)
		}
		want := make([][]float32, len(crops))
		parallel(len(crops), func(i int) { want[i] = f.Forward(net.prep.Normalise(crops[i]), net.prep.Crop, nil) })
		same := 0
		for i := range want {
			if best(want[i]) == best(got[i]) {
				same++
			}
		}
		db, share := ratio(want, got), float64(same)/float64(len(want))
		t.Logf("%s: %.1f dB, the same class for %.1f %%", net.file, db, 100*share)
		if db < net.least || share < 0.945 { // of 200 pictures some are near ties
			t.Errorf("%s: want %v dB and the same class for 95 %%, got %.1f dB, %.1f %%", net.file, net.least, db, 100*share)
		}
	}
}

// photographs are 200 crops of a zip of pictures.
func photographs(t *testing.T, file string, p resnet.Prep) (crops []*image.RGBA) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		t.Skipf("want photographs: %v", err)
	}
	d, err := OpenDataset(file)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, im := range d.Sample(200, 7) {
		crop, err := im.Load(p)
		if err != nil {
			t.Fatal(err)
		}
		crops = append(crops, crop)
	}
	return crops
}
