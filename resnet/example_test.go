package resnet_test

import (
	"fmt"
	"log"

	"resnet-web/resnet"
)

func ExampleConfig_Summary() {
	for _, name := range []string{"resnet50", "resnet50v1"} {
		config, err := resnet.Lookup(name)
		if err != nil {
			log.Fatal(err)
		}
		s := config.Summary(1000, 224)
		fmt.Printf("%s: %d parameters, %d multiply-adds\n", s.Architecture, s.Params, s.MACs)
	}
	// Output:
	// resnet50: 25557032 parameters, 4089184256 multiply-adds
	// resnet50v1: 25557032 parameters, 3857973248 multiply-adds
}

// A walk over a network meets the stem, then block by block the shortcut and the convolutions, then the head.
func ExampleNetwork_Steps() {
	config, err := resnet.Lookup("resnet8cifar")
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range config.Network(10).Steps() {
		if s.Conv == nil {
			fmt.Printf("%s → %s\n", s.In, s.Out)
			continue
		}
		fmt.Printf("%s → %s: %s, %d to %d channels\n", s.In, s.Out, s.Conv.Name, s.Conv.In, s.Conv.Out)
	}
	// Output:
	// image → conv1: conv1, 3 to 16 channels
	// conv1 → conv1
	// conv1 → layer1.0.conv1: layer1.0.conv1, 16 to 16 channels
	// layer1.0.conv1 → layer1.0: layer1.0.conv2, 16 to 16 channels
	// layer1.0 → layer2.0.shortcut: layer2.0.shortcut, 16 to 32 channels
	// layer1.0 → layer2.0.conv1: layer2.0.conv1, 16 to 32 channels
	// layer2.0.conv1 → layer2.0: layer2.0.conv2, 32 to 32 channels
	// layer2.0 → layer3.0.shortcut: layer3.0.shortcut, 32 to 64 channels
	// layer2.0 → layer3.0.conv1: layer3.0.conv1, 32 to 64 channels
	// layer3.0.conv1 → layer3.0: layer3.0.conv2, 64 to 64 channels
	// layer3.0 → features
	// features → logits
}

// The float32 network reports each activation on the way to the logits.
func ExampleFloat_Forward() {
	config, err := resnet.Lookup("resnet18x0.125")
	if err != nil {
		log.Fatal(err)
	}
	network := resnet.Random(config.Network(10), 1)
	logits := network.Forward(resnet.RandomImage(64, 2), 64, func(name string, c, h, w int, _ []float32) {
		if name == "conv1" || name == "layer4.1" {
			fmt.Printf("%s: %d×%d×%d\n", name, c, h, w)
		}
	})
	fmt.Println(len(logits), "logits")
	// Output:
	// conv1: 8×32×32
	// layer4.1: 64×2×2
	// 10 logits
}

func ExampleKeep() {
	classes := []resnet.Class{
		{ID: "n02123045", Labels: map[string]string{"en": "tabby, tabby cat"}},
		{ID: "n02124075", Labels: map[string]string{"en": "Egyptian cat"}},
		{ID: "n02099712", Labels: map[string]string{"en": "Labrador retriever"}},
	}
	keep, err := resnet.Keep(classes, []string{"tabby", "2"}, nil)
	fmt.Println(keep, err)
	_, err = resnet.Keep(classes, nil, []string{"poodle"})
	fmt.Println(err)
	// Output:
	// [true false true] <nil>
	// resnet: bad option: deny: no class is "poodle"; want an index from 0 to 2, a label or a WordNet id
}
