import pytest

from kb.importers.checks import Rejected, entity_record
from kb.limits import ALIAS_BYTES


def test_a_label_that_is_too_long_for_an_alias_is_rejected() -> None:
    assert entity_record({"id": "x", "label": "n" * ALIAS_BYTES}).label
    with pytest.raises(Rejected) as caught:
        entity_record({"id": "x", "label": "n" * (ALIAS_BYTES + 1)})
    assert (caught.value.field, caught.value.error) == ("label", "the label has more than 1400 bytes")
