from datetime import timedelta
from pathlib import Path

import pytest

from hector_salto.access.settings import AccessRules, Limits, OfficeMode
from hector_salto.access.statuses import DEFAULT_ACCESS_STATUSES, STATUSES
from hector_salto.integration import Integration, IntegrationError, load
from hector_salto.integration_files import FOLDER_SETTING, load_all

REQUIRED = "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: DE4520000000\n"
FULL = (
    REQUIRED
    + """\
schedule: "30 20 * * 1-5"
timezone: America/Toronto
grace_period: {before: 10, after: 1440}
office_mode:
  groups: [Teachers]
  departments: [Music]
  match: any
delete_users: true
horizon_days: 14
provision_users: with_reservations
access_statuses: [new, out, awaiting_approval]
protected_emails: [dean@school.example]
limits:
  hold_above: 5
  hold_above_percent: 20
"""
)


@pytest.fixture
def written(tmp_path):
    def write(text, name="campus.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def error_of(path):
    with pytest.raises(IntegrationError) as caught:
        load(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


def test_three_fields_are_enough_and_all_others_have_the_defaults_of_the_form(written):
    found = load(written(REQUIRED))

    assert (found.schedule, found.timezone) == ("0 21 * * *", "UTC")
    assert found.rules() == AccessRules()
    assert found.rules() == AccessRules(
        grace_before=timedelta(minutes=15),
        grace_after=timedelta(minutes=15),
        horizon=timedelta(days=7),
        office_mode=OfficeMode(match="all"),
        access_statuses=DEFAULT_ACCESS_STATUSES,
        limits=Limits(10, 10),
    )


def test_every_field_reaches_the_rules(written):
    assert load(written(FULL)).rules() == AccessRules(
        grace_before=timedelta(minutes=10),
        grace_after=timedelta(days=1),
        horizon=timedelta(days=14),
        office_mode=OfficeMode(("Teachers",), ("Music",), "any"),
        delete_users=True,
        provision_users="with_reservations",
        access_statuses=frozenset({"new", "out", "pending_approval"}),
        protected_emails=frozenset({"dean@school.example"}),
        limits=Limits(5, 20),
    )


def test_no_schedule_means_manual_runs_only(written):
    assert load(written(REQUIRED + "schedule: null\n")).schedule is None


@pytest.mark.parametrize("minutes", [0, 1440])
def test_the_limits_of_grace_are_allowed(written, minutes):
    assert load(written(REQUIRED + f"grace_period: {{before: {minutes}}}\n")).grace_period.before == minutes


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_status_may_be_named(written, status):
    assert load(written(REQUIRED + f"access_statuses: [{status}]\n")).rules().access_statuses == {status}


@pytest.mark.parametrize("missing", ["hector_conn_id", "salto_conn_id", "site_id"])
def test_a_missing_field_is_named(written, missing):
    text = "".join(line for line in REQUIRED.splitlines(keepends=True) if not line.startswith(missing))

    assert f"{missing}: missing" in error_of(written(text))


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("grace: 15", ["grace: unknown key", "grace_period"]),
        ("grace_period: {before: 15, behind: 2}", ["grace_period.behind: unknown key", "before, after"]),
        ("office_mode: {group: [A]}", ["office_mode.group: unknown key", "groups, departments, match"]),
        ("limits: {hold: 1}", ["limits.hold: unknown key", "hold_above, hold_above_percent"]),
        ("grace_period: {before: -1}", ["grace_period.before", "greater than or equal to 0", "-1"]),
        ("grace_period: {after: 1441}", ["grace_period.after", "less than or equal to 1440", "1441"]),
        ('grace_period: {after: "15"}', ["grace_period.after", "integer"]),
        ("grace_period: {after: 15.5}", ["grace_period.after", "integer"]),
        ("grace_period: {after: true}", ["grace_period.after", "integer"]),
        ("delete_users: 1", ["delete_users", "boolean"]),
        ('delete_users: "no"', ["delete_users", "boolean"]),
        ("horizon_days: 0", ["horizon_days", "greater than or equal to 1"]),
        ("horizon_days: 366", ["horizon_days", "less than or equal to 365"]),
        ("provision_users: some", ["provision_users", "'all'", "'with_reservations'"]),
        ("office_mode: {match: none}", ["office_mode.match", "'all'", "'any'"]),
        ("office_mode: {groups: Teachers}", ["office_mode.groups", "list"]),
        ("access_statuses: [new, approved]", ["access_statuses.1", "allowed are", "partially_out", "approved"]),
        ("access_statuses: new", ["access_statuses", "list"]),
        ("protected_emails: [dean]", ["protected_emails.0", "email address"]),
        ("limits: {hold_above: -1}", ["limits.hold_above", "greater than or equal to 0"]),
        ("limits: {hold_above_percent: 101}", ["limits.hold_above_percent", "less than or equal to 100"]),
        ("schedule: daily", ["schedule", "cron expression"]),
        ('schedule: "0 25 * * *"', ["schedule", "cron expression"]),
        ('schedule: "0 0 21 * * *"', ["schedule", "cron expression"]),
        ("timezone: Toronto", ["timezone", "IANA"]),
        ("timezone: null", ["timezone"]),
        ('hector_conn_id: "  "', ["the key hector_conn_id stands twice"]),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_is_allowed(written, line, parts):
    message = error_of(written(REQUIRED + line + "\n"))

    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "office_mode: {groups: [No]}",
            'office_mode.groups.0: YAML reads No as the truth value false; put it in quotes: "No"',
        ),
        ("office_mode: {groups: [007]}", 'groups.0: YAML reads 007 as the number 7; put it in quotes: "007"'),
        ("office_mode: {departments: [2026-01-01]}", "YAML reads 2026-01-01 as the date 2026-01-01; put it in quotes"),
        (
            "schedule: 21:00",
            'schedule: YAML reads 21:00 as the number 1260; put it in quotes: "21:00"; allowed is a cron',
        ),
        ("schedule: '0 0 30 2 *'", "schedule: this time never comes"),
        ("schedule: * 2 * * *", "a text that begins with * & @ % ! or ` needs quotes"),
        ("timezone: NO", 'timezone: YAML reads NO as the truth value false; put it in quotes: "NO"'),
        ("drift: off", "drift: YAML reads off as the truth value false"),
        (
            "horizon_days: 010",
            "horizon_days: YAML reads 010 as the number 8; write the number that is meant in plain digits",
        ),
        ("grace_period: {before: 1:30}", "grace_period.before: YAML reads 1:30 as the number 90"),
        (
            "limits: {hold_above: '10'}",
            "limits.hold_above: '10' is a text where an integer is needed; write 10 without quotes",
        ),
        (
            "delete_users: 'true'",
            "delete_users: 'true' is a text where true or false is needed; write true without quotes",
        ),
        ("alerts: {email: [unknown 0]}", "alerts.email.0: allowed is an email address"),
        ("protected_emails: ['a@@x.example']", "protected_emails.0: allowed is an email address"),
    ],
)
def test_what_yaml_makes_of_words(written, line, says):
    """The message names the key, what was written, what YAML read, and what to write."""
    assert says in error_of(written(f"{REQUIRED}{line}\n"))


@pytest.mark.parametrize(
    ("line", "says"), [("0123456", '"0123456"'), ("1.0", '"1.0"'), ("null", '"null"'), ("", "empty")]
)
def test_a_site_id_that_yaml_reads_as_no_text(written, line, says):
    assert says in error_of(written(f"hector_conn_id: h\nsalto_conn_id: s\nsite_id: {line}\n"))


def test_the_faults_of_a_file_are_few(written):
    """A list of hundreds of numbers is no message of hundreds of lines."""
    message = error_of(written(f"{REQUIRED}office_mode: {{groups: {[*range(300)]}}}\n"))

    assert message.endswith("and 288 more")


def test_all_mistakes_of_a_file_are_named_at_once(written):
    message = error_of(written(REQUIRED + "horizon_days: 0\ntimezone: Mars\n"))

    assert "horizon_days" in message
    assert "timezone" in message


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "42"])
def test_a_file_without_keys_says_what_it_must_hold(written, text):
    assert "must hold keys" in error_of(written(text))


@pytest.mark.parametrize("text", ["a: [", "\ta: 1", "a: !!python/object:os.system x"])
def test_a_file_that_is_no_yaml_says_so(written, text):
    assert "not readable as YAML" in error_of(written(text))


def test_a_folder_that_no_shell_has_read_or_that_is_none(tmp_path, monkeypatch):
    """An env file holds "~" as it is; a folder that is mistyped takes all DAGs away, which must not go unsaid."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "campus.yaml").write_text("hector_conn_id: h\nsalto_conn_id: s\nsite_id: x\n")

    monkeypatch.setenv(FOLDER_SETTING, "~/files")
    assert set(load_all()[0]) == {"campus"}
    monkeypatch.setenv(FOLDER_SETTING, "~/flies")
    found, errors = load_all()
    assert found == {}
    assert [str(error) for error in errors] == [
        f"{tmp_path / 'flies'} is no folder, so there are no integrations: correct HECTOR_SALTO_INTEGRATIONS"
    ]


@pytest.mark.parametrize(
    "value", ["2026-02-30", "!!bool maybe", "!!timestamp soon", "&a [*a]", pytest.param("9" * 5000, id="long")]
)
def test_a_value_that_yaml_cannot_make_is_an_error_of_its_file(written, value):
    """Not of all integrations, which are loaded together."""
    path = written(f"hector_conn_id: h\nsalto_conn_id: s\nsite_id: {value}\n")

    found, errors = load_all(path.parent)

    assert found == {}
    assert len(errors) == 1
    assert path.name in str(errors[0])


def test_a_file_that_is_no_text_says_so(tmp_path):
    path = tmp_path / "campus.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    assert "not readable" in error_of(path)


@pytest.mark.parametrize("name", ["Campus.yaml", "my campus.yaml", "süd.yaml", "a-b.yaml"])
def test_the_files_name_becomes_part_of_dag_ids(written, name):
    assert "allowed are a-z, 0-9 and _" in error_of(written(REQUIRED, name))


def test_the_files_name_ends_in_yaml(written):
    assert ".yaml" in error_of(written(REQUIRED, "campus.yml"))


def test_a_bad_file_breaks_only_itself(written, tmp_path):
    written(FULL, "good.yaml")
    written("nonsense: 1\n", "bad.yaml")
    written(REQUIRED, "wrong.yml")
    found, errors = load_all(tmp_path)

    assert list(found) == ["good"]
    assert len(errors) == 2


def test_another_folder_can_be_named_in_the_environment(written, tmp_path, monkeypatch):
    written(REQUIRED)
    monkeypatch.setenv(FOLDER_SETTING, str(tmp_path))

    assert list(load_all()[0]) == ["campus"]


def test_the_file_that_comes_with_the_product_is_right():
    found = load(Path(__file__).parents[2] / "include" / "integrations" / "sandbox.yaml")

    assert found.hector_conn_id == "hector_sandbox"


def test_two_integrations_of_one_site_share_one_pool():
    def pool(site):
        return Integration(hector_conn_id="h", salto_conn_id="s", site_id=site).pool

    assert pool("DE4520000000") == pool("de4520000000 ") == "salto_site_de4520000000"
    assert pool("DE4520000001") != pool("DE4520000000")


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [
        ("0 21 * * *", timedelta(days=1)),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 7 * * 1-5", timedelta(days=3)),  # from Friday to Monday
        ("*/5 9-17 * * 1-5", timedelta(days=2, hours=15, minutes=5)),
        ("0 21 1 * *", timedelta(days=31)),
        (None, None),
    ],
)
def test_the_interval_is_the_longest_time_between_two_syncs(written, schedule, interval):
    quoted = "null" if schedule is None else f'"{schedule}"'

    assert load(written(f"{REQUIRED}schedule: {quoted}\n")).interval() == interval


def test_who_is_told_and_what_is_unknown_there(written):
    found = load(written(REQUIRED + "alerts: {email: [ops@school.example], slack_conn_id: slack}\n"))

    assert (found.alerts.email, found.alerts.smtp_conn_id) == (["ops@school.example"], "smtp_default")
    assert "alerts.mail: unknown key; allowed are email, smtp_conn_id" in error_of(
        written(REQUIRED + "alerts: {mail: [ops@school.example]}\n")
    )


@pytest.mark.parametrize(
    ("schedule", "days", "needed"),
    [
        ("0 21 * * 1-5", 1, 4),
        ("0 21 * * 1-5", 3, 4),
        ("0 21 * * 1-5", 4, None),
        ("0 21 * * *", 1, 2),
        ("*/15 * * * *", 1, None),
        ("0 0 1 * *", 7, 32),
        ("0 21 * 1-6,9-12 *", 7, 64),
        (None, 1, None),
    ],
)
def test_a_horizon_shorter_than_the_schedules_longest_gap(schedule, days, needed):
    """It is accepted, with a warning that names what would be enough; a day of 25 hours counts."""
    warning = Integration(
        hector_conn_id="h", salto_conn_id="s", site_id="x", schedule=schedule, horizon_days=days
    ).horizon_warning

    assert bool(warning) == (needed is not None)
    assert needed is None or f"set horizon_days to {needed} or more" in warning
