"""The families, one folder each.  One line here registers a family, and nothing is loaded."""

from nasvit_mm.families import elasticvit, nasvit, vitas, vitas_twins
from nasvit_mm.family import FAMILIES

for _family in (nasvit, elasticvit, vitas, vitas_twins):
    FAMILIES.add(_family.FAMILY)
