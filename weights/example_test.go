//go:build !js

package weights_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"

	"resnet-web/weights"
)

func ExampleRead() {
	model, err := weights.Read(weights.Builtin)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d classes, input %d×%d\n", model.Name, len(model.Classes), model.Prep.Crop, model.Prep.Crop)

	_, err = weights.Read(weights.Builtin[:1000])
	fmt.Println(errors.Is(err, weights.ErrIntegrity))
	_, err = weights.Read([]byte("<!doctype html>"))
	fmt.Println(err)
	// Output:
	// resnet18, 200 classes, input 128×128
	// true
	// weights: want a model file, got a web page: the address is wrong or needs a login; check it, then download the model again
}

// A model that is written and read again is the same; here it answers "not sure" more often than the built-in one.
func ExampleWrite() {
	model, err := weights.Read(weights.Builtin)
	if err != nil {
		log.Fatal(err)
	}
	model.Unsure = 0.75
	var file bytes.Buffer
	if err := weights.Write(&file, model); err != nil {
		log.Fatal(err)
	}
	again, err := weights.Read(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(again.Unsure, len(again.Classes))
	// Output: 0.75 200
}
