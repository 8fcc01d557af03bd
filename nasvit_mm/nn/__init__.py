"""Elastic layers: weights at a maximum size, of which spans select the active part."""

from nasvit_mm.nn.attention import attend, attend_by_rows, is_exporting
from nasvit_mm.nn.bias import RelativePositionBias
from nasvit_mm.nn.choice import ElasticChoice
from nasvit_mm.nn.depthwise import depthwise_conv2d
from nasvit_mm.nn.layers import (
    ElasticConv2d,
    ElasticDepthwiseConv2d,
    ElasticLinear,
    ElasticMlp,
    ElasticScale,
    ElasticUpsample2d,
    SqueezeExcite,
)
from nasvit_mm.nn.mbconv import MBConv, MBConvPlan
from nasvit_mm.nn.norms import (
    ElasticBatchNorm2d,
    ElasticLayerNorm,
    ElasticLayerNorm2d,
    ElasticTokenNorm,
    frozen_statistics,
)
from nasvit_mm.nn.recalibrate import batch_norms, recalibrate_bn
from nasvit_mm.nn.resize import resize_table
from nasvit_mm.nn.sharing import SHARING, num_phases, shared_span
from nasvit_mm.nn.span import AxisSpan, Span, joined, put, recorded_takes, take, tiling
from nasvit_mm.nn.transformer import TransformerBlock, init_linear
from nasvit_mm.nn.windows import join_windows, split_windows, window_mask

__all__ = [
    'SHARING',
    'AxisSpan',
    'ElasticBatchNorm2d',
    'ElasticChoice',
    'ElasticConv2d',
    'ElasticDepthwiseConv2d',
    'ElasticLayerNorm',
    'ElasticLayerNorm2d',
    'ElasticLinear',
    'ElasticMlp',
    'ElasticScale',
    'ElasticTokenNorm',
    'ElasticUpsample2d',
    'MBConv',
    'MBConvPlan',
    'RelativePositionBias',
    'Span',
    'SqueezeExcite',
    'TransformerBlock',
    'attend',
    'attend_by_rows',
    'batch_norms',
    'depthwise_conv2d',
    'frozen_statistics',
    'is_exporting',
    'init_linear',
    'join_windows',
    'joined',
    'num_phases',
    'put',
    'recalibrate_bn',
    'recorded_takes',
    'resize_table',
    'shared_span',
    'split_windows',
    'take',
    'tiling',
    'window_mask',
]
