"""The operations of mmcv written out as loops over numbers: slow, and plain to read."""

from __future__ import annotations

import math

import numpy as np


def zero_padded(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear reading where pixels outside count as 0."""
    top, left, total = math.floor(y), math.floor(x), 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += plane[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def border(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear reading that moves places up to one pixel outside to the border."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    return zero_padded(plane, min(max(y, 0), height - 1), min(max(x, 0), width - 1))


def deform_conv(x, offset, weight, mask, bias, stride, pad, dilation, groups, offset_groups, size):
    (n, c, _, _), (d, per, kh, kw) = x.shape, weight.shape
    out = np.zeros((n, d, *size))
    for b, o, i, j in np.ndindex(out.shape):
        total = 0.0 if bias is None else bias[o]
        for p in range(per):
            channel = o // (d // groups) * per + p
            group = channel // (c // offset_groups)
            for k in range(kh * kw):
                at = group * kh * kw + k
                y = i * stride[0] - pad[0] + k // kw * dilation[0] + offset[b, 2 * at, i, j]
                z = j * stride[1] - pad[1] + k % kw * dilation[1] + offset[b, 2 * at + 1, i, j]
                value = zero_padded(x[b, channel], y, z) * weight[o, p, k // kw, k % kw]
                total += value * (1 if mask is None else mask[b, at, i, j])
        out[b, o, i, j] = total
    return out


def attention(value, shapes, locations, weights):
    n, _, heads, width = value.shape
    _, queries, _, levels, points, _ = locations.shape
    out = np.zeros((n, queries, heads, width))
    for b, q, h, d in np.ndindex(out.shape):
        start = 0
        for level, (rows, columns) in enumerate(shapes):
            plane = value[b, start : start + rows * columns, h, d].reshape(rows, columns)
            start += rows * columns
            for p in range(points):
                x, y = locations[b, q, h, level, p]
                read = zero_padded(plane, y * rows - 0.5, x * columns - 0.5)
                out[b, q, h, d] += weights[b, q, h, level, p] * read
    return out.reshape(n, queries, heads * width)


def carafe(features, masks, size, groups, scale):
    n, c, h, w = features.shape
    out = np.zeros((n, c, h * scale, w * scale))
    for b, channel, y, x in np.ndindex(out.shape):
        group = channel // (c // groups)
        for k in range(size * size):
            i, j = y // scale + k // size - size // 2, x // scale + k % size - size // 2
            if 0 <= i < h and 0 <= j < w:
                weight = masks[b, group * size * size + k, y, x]
                out[b, channel, y, x] += features[b, channel, i, j] * weight
    return out


def psa_mask(masks, distribute, size):
    n, _, h, w = masks.shape
    out = np.zeros((n, h * w, h, w))
    for b, y, x, i, j in np.ndindex(n, h, w, h, w):  # pixel (y, x) attends to (i, j)
        row, column = i - y + (size[0] - 1) // 2, j - x + (size[1] - 1) // 2
        if 0 <= row < size[0] and 0 <= column < size[1]:
            value = masks[b, row * size[1] + column, y, x]
            if distribute:
                out[b, y * w + x, i, j] = value
            else:
                out[b, i * w + j, y, x] = value
    return out


def samples(x, rois, size, scale, ratio, aligned, offset=None, gamma=0.0):
    """Yield (roi, channel, row, column) and the values of the samples of that bin."""
    for r, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        rows = ratio or math.ceil(height / size[0])
        columns = ratio or math.ceil(width / size[1])
        for c, i, j in np.ndindex(x.shape[1], *size):
            dx, dy = (0, 0) if offset is None else gamma * offset[r, :, i, j]
            yield (
                (r, c, i, j),
                [
                    border(
                        x[int(image), c],
                        y1 + dy * height + (i * rows + v + 0.5) * height / size[0] / rows,
                        x1 + dx * width + (j * columns + u + 0.5) * width / size[1] / columns,
                    )
                    for v in range(rows)
                    for u in range(columns)
                ],
            )


def region(reduce, x, rois, size, *options):
    out = np.zeros((len(rois), x.shape[1], *size))
    for place, values in samples(x, rois, size, *options):
        out[place] = reduce(values)
    return out


def roi_pool(x, rois, size, scale):
    out = np.zeros((len(rois), x.shape[1], *size))
    for (r, c, i, j), _ in np.ndenumerate(out):
        image, x1, y1, x2, y2 = rois[r]
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        high, wide = (y2 - y1) / size[0], (x2 - x1) / size[1]
        rows = range(max(math.floor(y1 + i * high), 0), math.ceil(y1 + (i + 1) * high))
        columns = range(max(math.floor(x1 + j * wide), 0), math.ceil(x1 + (j + 1) * wide))
        height, width = x.shape[2:]
        inside = [
            x[int(image), c, row, column]
            for row in rows
            for column in columns
            if row < height and column < width
        ]
        out[r, c, i, j] = max(inside, default=0)
    return out


def overlap(a, b, offset=0):
    wide = min(a[2], b[2]) - max(a[0], b[0]) + offset
    high = min(a[3], b[3]) - max(a[1], b[1]) + offset
    common = max(wide, 0) * max(high, 0)
    area_a, area_b = ((v[2] - v[0] + offset) * (v[3] - v[1] + offset) for v in (a, b))
    return common / (area_a + area_b - common)


def soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    """Kept (index, score) as mmcv's loop finds them: it swaps the best one to the front, and
    overwrites a dropped one by the last."""
    left = [[i, score] for i, score in enumerate(scores)]
    i = 0
    while i < len(left):
        best = max(range(i, len(left)), key=lambda k: (left[k][1], -k))
        left[i], left[best] = left[best], left[i]
        k = i + 1
        while k < len(left):
            o = overlap(boxes[left[i][0]], boxes[left[k][0]], offset)
            if method == 'gaussian':
                left[k][1] *= math.exp(-o * o / sigma)
            elif o >= threshold:
                left[k][1] *= 1 - o if method == 'linear' else 0
            if left[k][1] < min_score:
                left[k] = left[-1]
                left.pop()
            else:
                k += 1
        i += 1
    return left


def nms_match(dets, threshold):
    order, groups = sorted(range(len(dets)), key=lambda i: -dets[i][4]), []
    while order:
        best = order[0]
        group = [i for i in order if i == best or overlap(dets[best], dets[i]) >= threshold]
        groups.append(group)
        order = [i for i in order if i not in group]
    return groups


def corners(x, y, w, h, angle):
    c, s = math.cos(angle), math.sin(angle)
    return [
        (x + c * u - s * v, y + s * u + c * v)
        for u, v in ((-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2))
    ]


def rotated_overlap(a, b):
    """Clip one rectangle by each edge of the other (Sutherland and Hodgman, 1974)."""
    polygon, edges = corners(*a), corners(*b)
    for (x1, y1), (x2, y2) in zip(edges, edges[1:] + edges[:1]):

        def side(p, x1=x1, y1=y1, x2=x2, y2=y2):
            return (x2 - x1) * (p[1] - y1) - (y2 - y1) * (p[0] - x1)

        clipped = []
        for p, q in zip(polygon, polygon[1:] + polygon[:1]):
            if side(p) >= 0:
                clipped.append(p)
            if side(p) * side(q) < 0:
                t = side(p) / (side(p) - side(q))
                clipped.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        polygon = clipped
    shoelace = (p[0] * q[1] - q[0] * p[1] for p, q in zip(polygon, polygon[1:] + polygon[:1]))
    common = abs(sum(shoelace)) / 2
    return common / (a[2] * a[3] + b[2] * b[3] - common)
