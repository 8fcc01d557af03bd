"""Elastic layers: weights at a maximum size, told by spans which part is active."""
from nasvit_mm.nn.attention import attend_by_rows
from nasvit_mm.nn.bias import RelativePositionBias
from nasvit_mm.nn.layers import (
                                 ElasticConv2d,
                                 ElasticDepthwiseConv2d,
                                 ElasticLinear,
                                 ElasticScale,
                                 SqueezeExcite,
)
from nasvit_mm.nn.mbconv import MBConv, MBConvPlan
from nasvit_mm.nn.norms import (
                                 ElasticBatchNorm2d,
                                 ElasticLayerNorm2d,
                                 ElasticTokenNorm,
                                 frozen_statistics,
)
from nasvit_mm.nn.recalibrate import recalibrate_bn
from nasvit_mm.nn.span import Span, recorded_takes, take
from nasvit_mm.nn.windows import join_windows, split_windows, window_mask

__all__ = [
    'ElasticBatchNorm2d', 'ElasticConv2d', 'ElasticDepthwiseConv2d', 'ElasticLayerNorm2d',
    'ElasticLinear', 'ElasticScale', 'ElasticTokenNorm', 'MBConv', 'MBConvPlan',
    'RelativePositionBias', 'Span', 'SqueezeExcite', 'attend_by_rows', 'frozen_statistics',
    'join_windows', 'recalibrate_bn', 'recorded_takes', 'split_windows', 'take', 'window_mask',
]
