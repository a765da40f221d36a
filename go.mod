module resnet-web

go 1.26
