#!/usr/bin/env python3
"""Repack the archive tiny-imagenet-200.zip as it is published for train.py and `resnet eval`.

    tiny.py tiny-imagenet-200.zip FOLDER

FOLDER gets train-0.zip to train-3.zip (by an image's number modulo 4), val.zip, each with a folder for each class named by
WordNet id, and classes.tsv, the ids in the order of the network's outputs.
"""
import os, re, sys, zipfile


def main():
    if len(sys.argv) != 3: sys.exit(__doc__)
    source, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(source) as z:
        top = "tiny-imagenet-200/"
        names = z.namelist()
        of = {}                                        # class of a validation image
        for line in z.read(top + "val/val_annotations.txt").decode().splitlines():
            image, wnid = line.split("\t")[:2]; of[image] = wnid
        pack = {f"train-{k}.zip": [] for k in range(4)} | {"val.zip": []}
        for n in names:
            if m := re.fullmatch(top + r"train/(n\d+)/images/n\d+_(\d+)\.JPEG", n):
                pack[f"train-{int(m[2]) % 4}.zip"].append((f"{m[1]}/{m[2]}.jpg", n))
            elif m := re.fullmatch(top + r"val/images/(val_(\d+)\.JPEG)", n):
                pack["val.zip"].append((f"{of[m[1]]}/{m[2]}.jpg", n))
        for file, members in pack.items():
            if not members: sys.exit(f"tiny.py: {source}: want images for {file}, found none; is it tiny-imagenet-200.zip?")
            with zipfile.ZipFile(os.path.join(folder, file), "w") as out:
                for name, n in sorted(members): out.writestr(zipfile.ZipInfo(name), z.read(n))
    with open(os.path.join(folder, "classes.tsv"), "w") as f:
        f.writelines(f"{wnid}\n" for wnid in sorted(set(of.values())))


if __name__ == "__main__":
    main()
