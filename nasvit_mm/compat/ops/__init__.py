"""mmcv's operations on torchvision's kernels and plain PyTorch, with mmcv's own signatures.

Each file is one operation or one family.  Importing this package imports torch; the stand-in does
so when ``mmcv._ext`` is asked for.
"""

from nasvit_mm.compat.ops.attention import ms_deform_attn_backward, ms_deform_attn_forward
from nasvit_mm.compat.ops.carafe import (
    carafe_backward,
    carafe_forward,
    carafe_naive_backward,
    carafe_naive_forward,
)
from nasvit_mm.compat.ops.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from nasvit_mm.compat.ops.deform_roi_pool import deform_roi_pool_backward, deform_roi_pool_forward
from nasvit_mm.compat.ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from nasvit_mm.compat.ops.masked_conv import masked_col2im_forward, masked_im2col_forward
from nasvit_mm.compat.ops.nms import nms, nms_match, softnms
from nasvit_mm.compat.ops.psa_mask import psamask_backward, psamask_forward
from nasvit_mm.compat.ops.roi_align import roi_align_backward, roi_align_forward
from nasvit_mm.compat.ops.roi_pool import roi_pool_backward, roi_pool_forward
from nasvit_mm.compat.ops.rotated import box_iou_rotated, nms_rotated

__all__ = [
    'box_iou_rotated',
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'deform_roi_pool_backward',
    'deform_roi_pool_forward',
    'masked_col2im_forward',
    'masked_im2col_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'nms_rotated',
    'psamask_backward',
    'psamask_forward',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]
