package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

func info(c *call) error {
	if err := c.parse(1, 1); err != nil {
		return err
	}
	m, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	file, err := os.Stat(c.args[0])
	if err != nil {
		return err
	}
	p, err := resnet.Compile(m)
	if err != nil {
		return err
	}
	var hidden []int
	head := ""
	for _, l := range m.Network().Head[:len(m.Head)-1] {
		hidden = append(hidden, l.Out)
		head += fmt.Sprintf("%d, ", l.Out)
	}
	s := m.Config.Summary(len(m.Classes), m.Prep.Crop, hidden...)
	var langs []string
	for _, class := range m.Classes {
		for l := range class.Labels {
			if !slices.Contains(langs, l) {
				langs = append(langs, l)
			}
		}
	}
	slices.Sort(langs)
	row := func(name, format string, a ...any) {
		fmt.Fprintf(c.stdout, "%-14s %s\n", name, printable(fmt.Sprintf(format, a...)))
	}
	row("file", "%s, %d bytes", c.args[0], file.Size())
	row("architecture", "%s, %d convolutions, %d parameters, %d multiply-adds", m.Name, len(m.Convs), s.Params, s.MACs)
	if head != "" {
		row("head", "%d, %s%d, with a ReLU between layers", m.Network().Features, head, len(m.Classes))
	}
	row("classes", "%d, labels in %s", len(m.Classes), strings.Join(langs, ", "))
	row("input", "shorter side to %d, centre %d×%d, %s filter", m.Prep.Resize, m.Prep.Crop, m.Prep.Crop, m.Prep.Filter)
	row("mean, std", "%v, %v", m.Prep.Mean, m.Prep.Std)
	output := "softmax"
	if m.MultiLabel {
		output = "sigmoid: classes do not exclude each other"
	}
	row("output", "%s", output)
	sure := fmt.Sprintf("sure from %.2f", m.Unsure)
	if m.Unsure >= calibrate.NeverSure {
		sure = "never sure"
	}
	row("temperature", "%.3f, %s", m.Temperature, sure)
	row("activations", "%d bytes", p.Arena)
	row("source", "%s", m.Source)
	row("licence", "%s", m.Licence)
	return nil
}
