"""Answers on a grid: maps of classes of segmentors, and of dense heads of detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nasvit_mm.dense.kinds.answers.base import Answers, definer, heard
from nasvit_mm.dense.kinds.step import binary


# ------------------------------------------------------------------ segmentors
class MainOutput(NamedTuple):
    """Which of a decode head's outputs is its prediction.

    Attributes:
        index: of it, where the head returns several.
        of: says of a loss's name, without the head's prefix, whether it is of this output.
    """

    index: int | None
    of: Callable[[nn.Module, str], bool]


SEGMENTATION = {  # by the class that defines loss_by_feat
    'BaseDecodeHead': MainOutput(None, lambda head, name: True),
    'EncHead': MainOutput(0, lambda head, name: name != 'loss_se'),
    'DAHead': MainOutput(0, lambda head, name: name.startswith('pam_cam.')),
    'IterativeDecodeHead': MainOutput(
        -1, lambda head, name: name.endswith(f'.s{head.num_stages}')
    ),  # K-Net
    'PointHead': MainOutput(None, lambda head, name: True),
}
STANDARD = {'BaseDecodeHead', 'BaseCascadeDecodeHead', 'PointHead'}  # that define ``loss``


class ClassMaps(Answers):
    """Class maps of mmseg's decode head, of several in a row those of the last one.

    Logits are (N, classes, H, W), by a sigmoid (N, 2, channels, H, W).  Of PointRend's they are the
    coarse map and, at the points of the first subnet of the step, those of the point head.
    Auxiliary heads, outputs and stages before the last train with labels whatever the subnet learns
    from.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        heads, cascade = _decode_heads(model)
        last = len(heads) - 1
        compared = [last - 1, last] if _is_points(heads[-1]) else [last]
        self.heads = {f'decode_{i}.' if cascade else 'decode.': heads[i] for i in compared}

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        heads, _ = _decode_heads(model)
        of = heads[-2:] if _is_points(heads[-1]) else heads[-1:]
        return all(
            definer(h, 'loss_by_feat') in SEGMENTATION and definer(h, 'loss') in STANDARD
            for h in of
        )

    def listen(self, stack: ExitStack, objects: Any) -> None:
        self.calls = [
            (head, stack.enter_context(heard(head, 'loss_by_feat'))) for head in self.heads.values()
        ]
        points = next((h for h in self.heads.values() if _is_points(h)), None)
        self.points = (
            None
            if points is None
            else stack.enter_context(heard(points, 'get_points_train', objects))
        )

    def replaces(self, name: str) -> bool:
        return any(
            name.startswith(prefix)
            and SEGMENTATION[definer(head, 'loss_by_feat')].of(head, name.removeprefix(prefix))
            for prefix, head in self.heads.items()
        )

    def read(self, objects: Any) -> dict[str, Any]:
        logits = []
        for head, calls in self.calls:
            (output, *_), index = (
                calls[0].arguments.values(),
                SEGMENTATION[definer(head, 'loss_by_feat')].index,
            )
            if index is not None and not torch.is_tensor(output):
                output = output[index]
            logits.append(binary(output) if by_sigmoid(head) else output)
        return dict(
            logits=tuple(logits),
            objects=None if self.points is None else [call.result for call in self.points],
        )


def _decode_heads(model: nn.Module) -> tuple[list[nn.Module], bool]:
    head = model.decode_head
    cascade = isinstance(head, nn.ModuleList)
    return (list(head) if cascade else [head]), cascade


def _is_points(head: nn.Module) -> bool:
    return definer(head, 'loss_by_feat') == 'PointHead'


def by_sigmoid(head: nn.Module) -> bool:
    """Return whether a head's channels are decisions of their own, not one among classes."""
    if head.out_channels == 1:
        return True
    head = getattr(head, 'kernel_generate_head', head)  # K-Net's, which computes the loss
    losses = head.loss_decode
    losses = losses if isinstance(losses, nn.ModuleList) else [losses]
    return all(getattr(loss, 'use_sigmoid', False) for loss in losses)


# ------------------------------------------------------------------ detectors
class Scores(NamedTuple):
    """Where the class scores of a dense head are, and which losses are of them alone.

    Attributes:
        argument: of ``loss_by_feat`` that has them, one map a level.
        losses: names.
        logits: makes logits (N, 2 or classes + 1, ..., H, W) of a map.
    """

    argument: str = 'cls_scores'
    losses: tuple[str, ...] = ('loss_cls',)
    logits: Callable[[nn.Module, Tensor], Tensor] | None = None


def _by_classes(head: nn.Module, scores: Tensor) -> Tensor:
    """Return logits of maps (N, anchors * classes, H, W), by the head's own activation."""
    sigmoid = getattr(head, 'use_sigmoid_cls', None)  # SOLO's say it in their loss alone
    if head.loss_cls.use_sigmoid if sigmoid is None else sigmoid:
        return binary(scores)
    classes = head.num_classes + 1  # the last is background
    return scores.unflatten(1, (-1, classes)).movedim(2, 1)  # (N, classes, anchors, H, W)


def _of_probabilities(head: nn.Module, scores: Tensor) -> Tensor:
    return binary(scores.float().clamp(1e-6, 1 - 1e-6).logit())


def _of_yolov3(head: nn.Module, maps: Tensor) -> Tensor:
    maps = maps.unflatten(1, (head.num_base_priors, -1))  # (N, anchors, 4 + 1 + classes, H, W)
    return binary(maps[:, :, 4:].flatten(1, 2))


DENSE = {  # by the class that defines loss_by_feat
    **dict.fromkeys(
        (
            'AnchorHead',
            'ATSSHead',
            'CenterNetUpdateHead',
            'CondInstBboxHead',
            'DDODHead',
            'FCOSHead',
            'FSAFHead',
            'FoveaHead',
            'GFLHead',
            'GuidedAnchorHead',
            'PAAHead',
            'PISARetinaHead',
            'PISASSDHead',
            'RTMDetHead',
            'RTMDetInsHead',
            'RepPointsHead',
            'SABLRetinaHead',
            'SSDHead',
            'VFNetHead',
            'YOLACTHead',
            'YOLOFHead',
            'YOLOXHead',
        ),
        Scores(),
    ),
    **dict.fromkeys(('SOLOHead', 'DecoupledSOLOHead', 'SOLOV2Head'), Scores('mlvl_cls_preds')),
    'TOODHead': Scores(logits=_of_probabilities),
    'CenterNetHead': Scores(
        'center_heatmap_preds', ('loss_center_heatmap',), logits=_of_probabilities
    ),
    'YOLOV3Head': Scores('pred_maps', ('loss_cls', 'loss_conf'), logits=_of_yolov3),
}


class ScoreMaps(Answers):
    """Class scores of a dense head of mmdet, at every anchor, point or cell of every level.

    Logits are (N, 2, anchors * classes, H, W) where scores are sigmoids, which are choices between
    a class and not the class, and (N, classes + 1, anchors, H, W) of a softmax.  Boxes, and masks
    of instances, which are of other objects in every subnet, train with labels.
    """

    rare = True

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.head = _dense_head(model)
        self.scores = DENSE[definer(self.head, 'loss_by_feat')]

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        head = _dense_head(model)
        return head is not None and definer(head, 'loss_by_feat') in DENSE

    def listen(self, stack: ExitStack, objects: Any) -> None:
        self.calls = stack.enter_context(heard(self.head, 'loss_by_feat'))
        self.features = stack.enter_context(heard(self.model, 'extract_feat'))

    def replaces(self, name: str) -> bool:
        return name in self.scores.losses

    def read(self, objects: Any) -> dict[str, Any]:
        logits, boxes = self.said(self.calls[0].arguments)
        features = tuple(self.features[-1].result) if self.features else ()
        return dict(logits=logits, boxes=boxes, features=features)

    def said(self, arguments: Mapping[str, Any]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return logits, and what says boxes, out of the arguments of the head's loss."""
        logits = self.scores.logits or _by_classes
        maps = tuple(logits(self.head, z) for z in arguments[self.scores.argument])
        return maps, tuple(arguments.get('bbox_preds', ()))


def _dense_head(model: nn.Module) -> nn.Module | None:
    found = getattr(model, 'bbox_head', None)
    return getattr(model, 'mask_head', None) if found is None else found
