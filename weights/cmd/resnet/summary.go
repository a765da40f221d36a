package main

import (
	"encoding/json"
	"fmt"

	"resnet-web/resnet"
)

func summary(c *call) error {
	asJSON := c.Bool("json", false, "print the table as JSON")
	classes := c.Int("classes", 0, "number of classes (default 1000; CIFAR nets 10)")
	size := c.Int("size", 0, "side of the input (default 224; CIFAR nets 32)")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	config, err := resnet.Lookup(c.args[0])
	if err != nil {
		return err
	}
	n, side := 1000, 224
	if config.Small {
		n, side = 10, 32
	}
	if *classes != 0 {
		n = *classes
	}
	if *size != 0 {
		side = *size
	}
	if n < 1 || n > 1_000_000 || side < 32 || side > 4096 {
		return fmt.Errorf("summary: want 1 to 1000000 classes and a size of 32 to 4096, got %d and %d", n, side)
	}
	s := config.Summary(n, side)
	if *asJSON {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s\n", line)
		return nil
	}
	fmt.Fprint(c.stdout, s)
	return nil
}
