"""A teacher's classes are the data's in any order, or are refused."""

from __future__ import annotations

import pytest

from nasvit_mm.errors import UsageError
from nasvit_mm.teacher import class_order

DATA = ('road', 'sky', 'traffic light')


@pytest.mark.parametrize(
    ('theirs', 'order'),
    [
        (('road', 'sky', 'traffic light'), None),
        (('Road', 'sky', 'traffic_light'), None),
        (('traffic-light', 'road', 'sky'), (1, 2, 0)),
        (None, None),
    ],
)
def test_by_name(theirs, order):
    assert class_order(DATA, theirs, 3, 3) == order


@pytest.mark.parametrize(
    ('ours', 'theirs', 'of_teacher', 'said'),
    [
        (DATA, ('road', 'sky', 'tree'), 3, 'no traffic light; .*tree, which .*teacher.classes'),
        (DATA, ('road', 'skies', 'traffic light'), 3, r'no sky \(did you mean skies\?\)'),
        (DATA, (*DATA, 'tree'), 4, 'it has tree, which the data have not'),
        (DATA, None, 4, 'the teacher has 4 classes and the model 3.*teacher.classes'),
        (None, DATA, 4, 'the teacher has 4 classes and the model 3.*a teacher of the 3 classes'),
    ],
)
def test_what_does_not_match(ours, theirs, of_teacher, said):
    with pytest.raises(UsageError, match=said):
        class_order(ours, theirs, 3, of_teacher)
