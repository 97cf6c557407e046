"""Bad input: one answer of a whole run is spoilt at random. A sample that is always the same; tests/prove sweeps.

Of a read: the run is refused with a clear error and writes nothing, or plans what it would have planned, or was told
something that the contract allows, and then nobody opens a door that neither Salto nor Hector, as told, gives them.
Of a write's reply: no state in between is unsafe, and the next clean run ends right, with nothing twice.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.scenarios.fault_injection import (
    REFUSED,
    SAME,
    Corruption,
    check_corrupted_reply,
    check_odd_names,
    count_results,
)


def test_a_spoilt_answer_is_refused_or_changes_nothing_or_is_another_truth():
    found = count_results(range(120))

    assert sum(found.values()) == 120
    assert found[REFUSED] > 30
    assert found[SAME] > 15


@pytest.mark.parametrize("seed", range(6))
def test_a_spoilt_reply_to_a_write_makes_nothing_unsafe_and_nothing_twice(seed):
    check_corrupted_reply(seed)


@pytest.mark.parametrize("seed", range(3))
def test_names_that_no_form_would_ask_for_are_names_like_any_other(seed):
    check_odd_names(seed)


def test_the_same_seed_spoils_the_same_answer_in_the_same_way():
    seeds = [Corruption.of(seed) for seed in range(50)]

    assert seeds == [Corruption.of(seed) for seed in range(50)]
    assert len(Counter(spoiling.kind for spoiling in seeds)) > 10
