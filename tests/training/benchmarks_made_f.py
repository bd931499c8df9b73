"""Made-up files of the detection and tracking sets, tiny, in exactly the layout their authors publish."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

WIDTH, HEIGHT = 64, 48


def write_picture(path: Path, driver: str, *, bands: int, seed: int, squares=()):
    """Noise with bright squares; grey pictures hold one plane, repeated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    planes = rng.integers(20, 60, (1 if bands == 0 else bands, HEIGHT, WIDTH), dtype=np.uint8)
    for left, top, right, bottom in squares:
        planes[:, int(top) : int(bottom), int(left) : int(right)] = 220
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, width=WIDTH, height=HEIGHT, count=len(planes), dtype="uint8"
        ) as out:
            out.write(planes)


def voc_xml(name: str, objects: list[str], *, width=WIDTH, height=HEIGHT, depth=3) -> str:
    body = "".join(objects)
    return (
        f"<annotation><filename>{name}</filename><source><database>made up</database></source>"
        f"<size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>"
        f"<segmented>0</segmented>{body}</annotation>"
    )


def upright(name: str, box, difficult: int | None = 0) -> str:
    left, top, right, bottom = box
    flag = "" if difficult is None else f"<difficult>{difficult}</difficult>"
    return (
        f"<object><name>{name}</name><pose>Unspecified</pose>{flag}<bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
    )


def turned(name: str, corners) -> str:
    places = ("left_top", "right_top", "right_bottom", "left_bottom")
    body = "".join(
        f"<x_{place}>{x}</x_{place}><y_{place}>{y}</y_{place}>" for place, (x, y) in zip(places, corners, strict=True)
    )
    return (
        f"<object><type>robndbox</type><name>{name}</name><difficult>0</difficult><robndbox>{body}</robndbox></object>"
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_dior(root: Path) -> None:
    """Two pictures of train, one of val, two of test; boxes upright and turned."""
    splits = {"train": ("00001", "00003"), "val": ("00002",), "test": ("11726", "11727")}
    for split, names in splits.items():
        write(root / "ImageSets/Main" / f"{split}.txt", "".join(f"{name}\n" for name in names))
        folder = "JPEGImages-test" if split == "test" else "JPEGImages-trainval"
        for number, name in enumerate(names):
            box = (8 + number, 6, 24 + number, 20)
            write_picture(root / folder / f"{name}.jpg", "JPEG", bands=3, seed=int(name), squares=(box,))
            plane = upright("airplane", box)
            court = upright("Expressway-Service-area", (30, 22, 60, 44), difficult=None)
            write(
                root / "Annotations/Horizontal Bounding Boxes" / f"{name}.xml", voc_xml(f"{name}.jpg", [plane, court])
            )
            diamond = [(40, 10), (50, 20), (40, 30), (30, 20)]
            write(
                root / "Annotations/Oriented Bounding Boxes" / f"{name}.xml",
                voc_xml(
                    f"{name}.jpg", [turned("ship", diamond), turned("vehicle", [(5, 5), (11, 5), (11, 9), (5, 9)])]
                ),
            )


make_dior_r = make_dior


def hrsc_object(cx, cy, width, height, angle, *, identity="100000013", difficult=0) -> str:
    return (
        f"<HRSC_Object><Object_ID>100000001</Object_ID><Class_ID>{identity}</Class_ID><Object_NO>1</Object_NO>"
        f"<truncated>0</truncated><difficult>{difficult}</difficult><box_xmin>1</box_xmin><box_ymin>1</box_ymin>"
        f"<box_xmax>9</box_xmax><box_ymax>9</box_ymax><mbox_cx>{cx}</mbox_cx><mbox_cy>{cy}</mbox_cy>"
        f"<mbox_w>{width}</mbox_w><mbox_h>{height}</mbox_h><mbox_ang>{angle}</mbox_ang><segmented>0</segmented>"
        f"<seg_color></seg_color><header_x>1</header_x><header_y>1</header_y></HRSC_Object>"
    )


def hrsc_xml(name: str, objects: list[str], *, width=WIDTH, height=HEIGHT) -> str:
    return (
        f"<HRSC_Image><Img_ID>{name}</Img_ID><Img_FileName>{name}</Img_FileName><Img_FileFmt>bmp</Img_FileFmt>"
        f"<Img_SizeWidth>{width}</Img_SizeWidth><Img_SizeHeight>{height}</Img_SizeHeight><Img_SizeDepth>3</Img_SizeDepth>"
        f"<Img_Resolution>1.07</Img_Resolution><Annotated>1</Annotated>"
        f"<HRSC_Objects>{''.join(objects)}</HRSC_Objects></HRSC_Image>"
    )


def make_hrsc2016(root: Path) -> None:
    """Bitmaps; the second picture of test holds no ship, as some of the set do not."""
    splits = {"train": ("100000001", "100000002"), "val": ("100000003",), "test": ("100000006", "100000007")}
    splits["trainval"] = splits["train"] + splits["val"]
    for split, names in splits.items():
        write(root / "ImageSets" / f"{split}.txt", "".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            write_picture(root / "FullDataSet/AllImages" / f"{name}.bmp", "BMP", bands=3, seed=number)
            ships = [hrsc_object(30, 24, 40, 10, -0.2), hrsc_object(12, 10, 12, 6, 1.2, difficult=1)]
            empty = split == "test" and number == 1
            write(root / "FullDataSet/Annotations" / f"{name}.xml", hrsc_xml(name, [] if empty else ships))


def make_hrsid(root: Path) -> None:
    """One document a split; the last picture of each holds no ship."""
    for split, first in (("train", 1), ("test", 3)):
        images, annotations = [], []
        for number in range(2):
            identity = first + number
            name = f"P000{identity}_0_800_7200_8000.jpg"
            box = (10, 12, 16, 8)
            write_picture(root / "JPEGImages" / name, "JPEG", bands=1, seed=identity, squares=((10, 12, 26, 20),))
            images.append({"id": identity, "file_name": name, "height": HEIGHT, "width": WIDTH})
            if number == 0:
                left, top, width, height = box
                annotations.append(
                    {
                        "id": identity,
                        "image_id": identity,
                        "category_id": 1,
                        "bbox": list(box),
                        "area": width * height,
                        "iscrowd": 0,
                        "segmentation": [
                            [left, top, left + width, top, left + width, top + height, left, top + height]
                        ],
                    }
                )
        document = {
            "images": images,
            "categories": [{"id": 1, "name": "ship", "supercategory": "ship"}],
            "annotations": annotations,
        }
        write(root / "annotations" / f"{split}2017.json", json.dumps(document))


def make_sar_aircraft(root: Path) -> None:
    splits = {"train": ("0000001", "0000002"), "val": ("0000003",), "test": ("0000004", "0000005")}
    for split, names in splits.items():
        write(root / "ImageSets/Main" / f"{split}.txt", "\n".join(names))
        for number, name in enumerate(names):
            box = (8, 6 + number, 28, 22 + number)
            write_picture(root / "JPEGImages" / f"{name}.jpg", "JPEG", bands=1, seed=int(name), squares=(box,))
            objects = [upright("A320/321", box), upright("other", (40, 20, 60, 40))]
            write(root / "Annotations" / f"{name}.xml", voc_xml(f"{name}.jpg", objects, depth=1))


def make_video(root: Path, kinds: tuple[int, ...]) -> None:
    """Videos of four frames; objects move two pixels a frame to the right; the last object must not count."""
    for split, names in (("train", ("01",)), ("test", ("02", "03"))):
        for name in names:
            folder = root / split / name
            write(
                folder / "seqinfo.ini",
                f"[Sequence]\nname={name}\nimDir=img1\nframeRate=10\nseqLength=4\nimWidth={WIDTH}\nimHeight={HEIGHT}\n"
                "imExt=.jpg\n",
            )
            lines = []
            for frame in range(1, 5):
                squares = []
                for track, kind in enumerate(kinds, 1):
                    left, top = 3 + 2 * frame, 1 + 14 * (track - 1)
                    squares.append((left - 1, top - 1, left + 9, top + 7))
                    flag = 0 if track == len(kinds) and len(kinds) > 1 else 1
                    lines.append(f"{frame},{track},{left},{top},10,8,{flag},{kind},1")
                write_picture(folder / "img1" / f"{frame:06d}.jpg", "JPEG", bands=3, seed=frame, squares=squares)
            write(folder / "gt/gt.txt", "\n".join(lines) + "\n")


def make_air_mot(root: Path) -> None:
    make_video(root, (1, 2, 1))


def make_air_hsao(root: Path) -> None:
    make_video(root, (1,))


MADE = {
    "air-hsao": make_air_hsao,
    "air-mot": make_air_mot,
    "dior": make_dior,
    "dior-r": make_dior_r,
    "hrsc2016": make_hrsc2016,
    "hrsid": make_hrsid,
    "sar-aircraft-1.0": make_sar_aircraft,
}
