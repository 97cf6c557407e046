"""A campus of the sandbox, its two connections in the environment, and an integration that names them."""

from __future__ import annotations

import datetime as dt

import pytest

from hector_salto.doctor.examination import examine, examine_by_writing
from hector_salto.doctor.finding import Judgement
from hector_salto.http_client.timing import Timing
from hector_salto.integration import load
from salto.hook import clear_grants
from sandbox import Sandbox, empty

REQUIRED = (
    "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: {site}\noffice_mode: {{groups: [Teachers]}}\n"
)


class Practice:
    """The doctor's practice: a sandbox, and what an examination of it finds."""

    def __init__(self, sandbox, folder, monkeypatch):
        self.sandbox, self._folder, self._monkeypatch = sandbox, folder, monkeypatch
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)

    def integration(self, site="DE4520000000"):
        path = self._folder / "campus.yaml"
        path.write_text(REQUIRED.format(site=site), encoding="utf-8")
        return load(path)

    def examine(self, site="DE4520000000"):
        clear_grants()
        timing = Timing(sleep=lambda _seconds: None, patient=False)
        return examine("campus", self.integration(site), now=dt.datetime.now(dt.UTC), timing=timing)

    def finding(self, assumption, **asked):
        examination, _ = self.examine(**asked)
        return next(one for one in examination.findings if one.assumption == assumption)

    def by_writing(self, typed="DE4520000000", email=""):
        examination, subject = self.examine()
        found = examine_by_writing(examination, subject, typed, email, sleep=self._sleep)
        return {one.assumption: one for one in found.findings}

    def _sleep(self, seconds):
        before = self.sandbox.clock
        self.sandbox.clock = lambda: before() + dt.timedelta(seconds=seconds)


@pytest.fixture
def practice(tmp_path, monkeypatch):
    with Sandbox(empty()) as sandbox:
        yield Practice(sandbox, tmp_path, monkeypatch)


@pytest.fixture
def school(practice):
    """Two rooms, two people, their tags: nothing differs but what a site is born with."""
    hector, salto = practice.sandbox.hector, practice.sandbox.salto
    hector.add_group("Teachers")
    for name in ("Studio 1", "Studio 2"):
        hector.add_place(name, name)
        lock = salto.add_lock(name)
        salto.locks[lock].look_back_days = 0
    for number, name in (("02301234", "ana"), ("02305678", "ben")):
        hector.add_user(email=f"{name}@school.example", unique_code=number, first_name=name)
        salto.enrol_tag(number)
    practice.sandbox.change(filter_case="ignored")
    return practice


HOLDS, DIFFERS, UNKNOWN = Judgement.HOLDS, Judgement.DIFFERS, Judgement.UNKNOWN
