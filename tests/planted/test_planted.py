"""The list of planted faults fits the source, so that `python -m tests.planted` can plant each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import organza
from tests.planted.faults import FAULTS

SOURCE, TESTS = Path(organza.__file__).parent, Path(__file__).parent.parent


def test_each_text_occurs_once_and_the_file_with_its_fault_still_compiles():
    for fault in FAULTS:
        text = (SOURCE / fault.file).read_text()
        assert text.count(fault.old) == 1, f"{fault.kind}: {fault.file} has changed; adjust the fault or drop it"
        compile(text.replace(fault.old, fault.new), fault.file, "exec")


def test_the_tests_that_must_notice_exist():
    for fault in FAULTS:
        for name in fault.tests.split():
            path, _, test = name.partition("::")
            assert f"def {test}(" in (TESTS / path).read_text() if test else (TESTS / path).is_file(), name


def test_faults_are_many_and_of_different_kinds():
    assert len(FAULTS) >= 30
    assert max(Counter(fault.kind for fault in FAULTS).values()) == 1
    assert len({fault.file for fault in FAULTS}) >= 20
