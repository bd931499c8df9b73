"""Agreement of a land-cover product's cropland with a reference map that is itself a model's output.

    python benchmarks/agreement.py [--json] --product DIR/..._class.tif --reference cropland.tif

The reference's first band holds 1 for cropland, 0 for other and 255 for none. The two are aligned by coordinates, which
must lie on one grid. The peer is the better of calling everything cropland or nothing.
"""

import argparse
import json

import rasterio
from rasterio.windows import from_bounds

CROPLAND, NONE = 40, 255


def overlap(product, reference):
    """Both first bands over the area that they share."""
    ours, theirs = product.bounds, reference.bounds
    bounds = (
        max(ours.left, theirs.left),
        max(ours.bottom, theirs.bottom),
        min(ours.right, theirs.right),
        min(ours.top, theirs.top),
    )
    windows = [from_bounds(*bounds, file.transform).round_offsets().round_lengths() for file in (product, reference)]
    return product.read(1, window=windows[0]), reference.read(1, window=windows[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--product", required=True)
    parser.add_argument("--reference", required=True)
    options = parser.parse_args()
    with rasterio.open(options.product) as product, rasterio.open(options.reference) as reference:
        classes, labels = overlap(product, reference)
    known = labels != NONE
    crop = (labels == 1)[known]
    ours = float(((classes == CROPLAND)[known] == crop).mean())
    peer = float(max(crop.mean(), 1 - crop.mean()))
    row = {"name": "cropland agreement", "ours": round(ours, 4), "peer": round(peer, 4), "unit": "1"}
    row |= {"ratio": round(ours / peer, 3), "n": int(known.sum())}
    print(json.dumps(row) if options.json else row)


if __name__ == "__main__":
    main()
