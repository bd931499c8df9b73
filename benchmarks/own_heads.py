"""What a user's heads add to a window of the model: statistics of its series, and each head's classes.

    python benchmarks/own_heads.py [--rounds 5]

CPU seconds of one thread for a window of 128 pixels, as many dates of each sensor, beside the encoder's for one image
of the shipped `nano-dense`. Forecasts rest on them (flows/estimate.py).
"""

import argparse
import json
import statistics
import time

import torch

from flows.weights import weights_path
from pipelines.inference.pixel_statistics import NUM_STATISTICS, window_statistics
from ringmoe_core import Series, load_checkpoint
from ringmoe_core.heads.pixel import PixelHead

SIDE = 128


def series(num, channels):
    made = torch.Generator().manual_seed(num)
    return Series(
        pixels_BTCHW=torch.randn(1, num, channels, SIDE, SIDE, generator=made),
        valid_BTHW=torch.rand(1, num, SIDE, SIDE, generator=made) < 0.7,
        present_BTC=torch.ones(1, num, channels, dtype=torch.bool),
        day_BT=torch.rand(1, num, generator=made),
        age_BT=torch.rand(1, num, generator=made),
    )


def seconds(call, rounds):
    call()
    found = []
    for _ in range(rounds):
        busy = time.process_time()
        call()
        found.append(time.process_time() - busy)
    return statistics.median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    model = load_checkpoint(weights_path("nano-dense")).model.eval()
    image = {"ms": series(1, 10)}
    with torch.inference_mode():
        maps = model.decode(model.fuse(model.encode(image), torch.ones(1, 1, 1, dtype=torch.bool)))
        one_image = seconds(lambda: model.encode(image), rounds)
        print(json.dumps({"name": "one image encoded, nano-dense", "cpu_s": round(one_image, 4)}))
        for num in (2, 4, 8):
            both = {"sar_l2": series(num, 2), "ms": series(num, 10)}
            took = seconds(lambda both=both: window_statistics(both), rounds)
            row = {"name": f"statistics of {2 * num} images", "cpu_s": round(took, 4)}
            print(json.dumps(row | {"images": round(took / one_image, 3), "an_image": round(took / num / 2, 4)}))
        for num_maps, num_statistics in ((maps.shape[1], 0), (maps.shape[1], NUM_STATISTICS)):
            planes = torch.cat([maps, torch.randn(1, num_statistics, SIDE, SIDE)], dim=1)
            for num_classes, hidden in ((2, 0), (10, 0), (30, 0), (10, 32)):
                head = PixelHead(num_maps, num_statistics, num_classes, hidden=hidden).eval()
                took = seconds(lambda head=head, planes=planes: head(planes).float().softmax(1), rounds)
                name = f"head of {num_maps} maps, {num_statistics} statistics, {num_classes} classes, hidden {hidden}"
                print(json.dumps({"name": name, "cpu_s": round(took, 4), "images": round(took / one_image, 3)}))


if __name__ == "__main__":
    main()
