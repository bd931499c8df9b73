"""Of boxes that overlap, the best.

Legend: n boxes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ringmoe_core.heads.boxes import box_iou
from ringmoe_core.heads.detections import ROTATED
from ringmoe_core.heads.rotated_boxes import rotated_iou


def suppress(boxes: Tensor, scores_n: Tensor, labels_n: Tensor, *, most_overlap: float) -> Tensor:
    """Indices of the boxes to keep, best first: greedy non-maximum suppression within each class.

    Args:
        boxes: (n, 4) or (n, 5), as in `Detections`.
        scores_n: of equal ones the earlier comes first.
        labels_n: boxes of different classes do not disturb each other.
        most_overlap: intersection over union above which the worse of two is dropped, 0 to 1.
    """
    order = torch.argsort(scores_n, descending=True, stable=True)
    if not len(order):
        return order
    best = boxes[order].detach()
    overlap = rotated_iou(best, best) if boxes.shape[1] == ROTATED else box_iou(best.double(), best.double())
    rivals = ((overlap > most_overlap) & (labels_n[order][:, None] == labels_n[order])).cpu().numpy()
    alive = np.ones(len(rivals), dtype=bool)
    for index in range(len(rivals)):
        if alive[index]:
            alive[index + 1 :] &= ~rivals[index, index + 1 :]
    return order[torch.from_numpy(alive).to(order.device)]
