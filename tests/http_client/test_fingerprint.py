from __future__ import annotations

import pytest

from hector_salto.http_client.fingerprint import Fingerprint


def test_equal_numbers_have_equal_fingerprints_however_padded():
    fingerprint = Fingerprint(b"key")

    assert fingerprint("04A2B3C4") == fingerprint(" 04A2B3C4\n")
    assert fingerprint("04A2B3C4") != fingerprint("04A2B3C5")
    assert fingerprint("04A2B3C4") != Fingerprint(b"other")("04A2B3C4")


def test_a_fingerprint_shows_nothing_of_number_or_key():
    fingerprint = Fingerprint(b"key-of-the-site")

    assert len(fingerprint("04A2B3C4") or "") == 32
    assert "04A2" not in (fingerprint("04A2B3C4") or "").upper()
    assert "key-of-the-site" not in repr(fingerprint)


@pytest.mark.parametrize("blank", [None, "", "  ", "\t"])
def test_no_number_has_no_fingerprint(blank):
    assert Fingerprint(b"key")(blank) is None


def test_a_fingerprint_needs_a_key():
    with pytest.raises(ValueError, match="key"):
        Fingerprint(b"")
