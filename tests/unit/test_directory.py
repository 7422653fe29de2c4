"""Places and staff: how rows are found, what their files may say, and what rules and texts learn of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapters.registry import kinds
from connector.clock import VirtualClock
from connector.config import Loaded, load
from connector.config.fingerprint import fingerprint
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import plain, rule_names
from connector.domain.model.directory import Directory, Roll, called, column_name, enrol, repeated
from connector.domain.model.intent import WriteKind
from connector.domain.model.response import Interaction
from connector.errors import ConfigError
from connector.store import history
from connector.store.database import Database
from connector.sync.settings import Rule, SendAlert
from tests.unit.deciding import decide_all, example_settings, feed, planned
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

PLACES = """location,Region,Time Zone,Channel
North,north,Europe/Berlin,#north
South,south,Europe/Madrid,
"""
STAFF = """email;name;place;team leader
jim@example.com;Jim Example;North;tara@example.com
kim@example.com;Kim Example;south;
lee@example.com;Kim Example;;tara@example.com
"""
LISTS = """
directory:
  places: {file: data/places.csv, key: location}
  staff: {file: data/staff.csv, key: email, aliases: name}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "places.csv").write_text(PLACES)
    (tmp_path / "data" / "staff.csv").write_text(STAFF)
    (tmp_path / "config.yaml").write_text(without_lists() + LISTS)
    return tmp_path


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def without_lists() -> str:
    text = EXAMPLE.read_text()
    before, found, after = text.partition("\ndirectory:")
    assert found
    return before + "\n\n" + after.partition("\n\n")[2]


def loaded(folder: Path) -> Loaded:
    return load(folder / "config.yaml", kinds(), ENVIRON)


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder)
    return [str(each).replace(f"{folder}/", "") for each in caught.value.problems]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


ROWS = st.lists(
    st.fixed_dictionaries({"key": st.text(min_size=1).filter(str.strip), "name": st.text("ab ", min_size=1)})
)


@given(ROWS)
def test_every_key_finds_its_row_however_it_is_written_and_a_shared_alias_finds_nobody(
    rows: list[dict[str, str]],
) -> None:
    again = repeated(rows, "key")
    alone = [row for number, row in enumerate(rows) if number not in again]
    roll = enrol(["key", "name"], alone, key="key", aliases=["name"])
    keys = {called(row["key"]) for row in alone}
    for row in alone:
        assert roll.find(f"  {row['key']} ") == row
        assert roll.find(row["key"].casefold()) == row
        sharing = [other for other in alone if called(other["name"]) == called(row["name"])]
        if called(row["name"]) not in keys:
            assert roll.find(row["name"].upper()) == (row if len(sharing) == 1 else {})


def test_headings_become_names_of_the_language() -> None:
    assert [column_name(each) for each in ("Team Leader", " e-mail ", "time_zone", "Größe")] == [
        "team_leader",
        "e_mail",
        "time_zone",
        "größe",
    ]


def test_an_answer_without_location_happened_where_its_staff_works() -> None:
    north, south = {"location": "North"}, {"location": "South"}
    jim = {"email": "jim@example.com", "place": "north"}
    directory = Directory(
        places=enrol(["location"], [north, south], key="location"), staff=enrol(["email"], [jim], key="email")
    )
    assert directory.where(None, "JIM@example.com") == (north, jim)
    assert directory.where("South", "jim@example.com") == (south, jim)
    assert directory.where("West", "jim@example.com") == ({}, jim)
    assert directory.where("North", "nobody") == (north, {})
    assert directory.where(None, None) == ({}, {})


def test_the_lists_are_read_and_watched(folder: Path) -> None:
    found = loaded(folder)
    place, jim = found.directory.where(None, "jim example")
    assert place == {"location": "North", "region": "north", "time_zone": "Europe/Berlin", "channel": "#north"}
    assert jim["team_leader"] == "tara@example.com"
    assert found.directory.staff.find("Kim Example") == {}  # two are called so
    assert found.directory.places.find("south") == {
        "location": "South",
        "region": "south",
        "time_zone": "Europe/Madrid",
    }
    assert {folder / "data" / "places.csv", folder / "data" / "staff.csv"} <= set(found.files)
    assert "jim@example.com" not in repr(found.directory)


def test_what_a_list_says_counts_for_what_is_written_not_where_it_lies(folder: Path) -> None:
    before = fingerprint(loaded(folder).config)
    (folder / "data").rename(folder / "lists")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("data/", "lists/"))
    assert fingerprint(loaded(folder).config) == before
    change(folder / "lists" / "places.csv", "#north", "#hamburg")
    assert fingerprint(loaded(folder).config) != before


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (
            "data/places.csv",
            "South,south",
            "north ,south",
            "data/places.csv:3:1: another row has this location already, in line 2",
        ),
        ("data/places.csv", "South,south", ",south", "data/places.csv:3:1: location is missing"),
        (
            "data/places.csv",
            "Europe/Madrid",
            "Europe/Madird",
            "data/places.csv:3:3: expected a time zone such as Europe/Berlin (did you mean 'Europe/Madrid'?)",
        ),
        ("data/places.csv", "#north", "#north,more", "data/places.csv:2:5: has 5 cells, the first line has 4"),
        ("data/places.csv", "Region", "LOCATION", "data/places.csv:1:2: two columns are called 'location'"),
        ("data/places.csv", "north,Eur", '"north,Eur', "data/places.csv:2:1: cannot be read:"),
        (
            "data/staff.csv",
            ";North;",
            ";Nroth;",
            "data/staff.csv:2:3: there is no place 'Nroth' (did you mean 'North'?)",
        ),
        (
            "config.yaml",
            "key: location",
            "key: locaton",
            "there is no column 'locaton' in data/places.csv (did you mean 'location'?)",
        ),
        (
            "config.yaml",
            "aliases: name",
            "aliases: nmae",
            "there is no column 'nmae' in data/staff.csv (did you mean 'name'?)",
        ),
        (
            "config.yaml",
            "data/staff.csv",
            "data/stuff.csv",
            "there is no file data/stuff.csv (did you mean 'data/staff.csv'?)",
        ),
        ("config.yaml", "key: email,", "key: email, every: 5m,", "`every` does nothing without sql"),
        ("config.yaml", "key: email,", "key: email, sql: 'sqlite:///x.db',", "expected exactly one of file and sql"),
        ("config.yaml", "file: data/staff.csv,", "sql: 'sqlite:///x.db',", "'query' is missing"),
        (
            "config.yaml",
            "file: data/staff.csv,",
            "sql: 'sqlite:///x.db', query: drop table staff,",
            "it begins with SELECT or WITH",
        ),
        (
            "config.yaml",
            "{{ interaction.service }}:",
            "{{ place.chanel }}:",
            "there is no 'place.chanel' (did you mean 'place.channel'?)",
        ),
        (
            "config.yaml",
            "when: unhappy\n",
            "when: place.regoin == 'north'\n",
            "there is no 'place.regoin' (did you mean 'place.region'?)",
        ),
        (
            "mappings/helpdesk/zendesk.yaml",
            "ticket:\n",
            "ticket:\n  zip: '{{ staff.team_lead }}'\n",
            "there is no 'staff.team_lead' (did you mean 'staff.team_leader'?)",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place(folder: Path, file: str, old: str, new: str, problem: str) -> None:
    change(folder / file, old, new)
    found = problems(folder)
    assert len([each for each in found if problem in each]) == 1, found
    assert not any("jim" in each for each in found)


def test_a_list_that_is_broken_or_misspelt_is_one_mistake(folder: Path) -> None:
    change(folder / "config.yaml", "when: unhappy\n", "when: place.region == 'north' or staff.anything\n")
    change(folder / "config.yaml", "  places: {", "  place: {")
    (folder / "data" / "staff.csv").write_bytes(b"email;name\nj\xf6rg;J\n")
    assert [each.partition(": ")[2] for each in problems(folder)] == [
        "there is no key 'place' (did you mean 'places'?)",
        "cannot be read: it is not UTF-8 text",
    ]


def test_without_a_directory_nothing_is_known_of_places(folder: Path) -> None:
    change(folder / "config.yaml", LISTS, "")
    change(folder / "config.yaml", "when: unhappy\n", "when: place.region == 'north'\n")
    assert ["there is no 'place.region'" in each for each in problems(folder)] == [True]


def test_a_query_may_have_any_column(folder: Path) -> None:
    change(folder / "config.yaml", "file: data/places.csv,", "sql: 'sqlite:///x.db', query: select * from places,")
    change(folder / "config.yaml", "when: unhappy\n", "when: place.anything == 'north'\n")
    assert loaded(folder).directory.places == Roll(is_open=True)


def deciding(db: Database, when: str, *rows: dict[str, str], staff: str | None = None) -> list[str]:
    """Decide one unhappy answer about North under one rule that alerts; the alerts' texts."""
    names = {"place": plain("location", "channel"), "staff": plain("email", "team_leader", "place")}
    alert = SendAlert(
        connection="slack",
        channel=compile_template("{{ place.channel or '#all' }}", rule_names((), names), "absent"),
        text=compile_template("ask {{ staff.team_leader or 'anybody' }}", rule_names((), names), "absent"),
    )
    rule = Rule(name="here", when=compile_expression(when, rule_names((), names)), actions=(alert,))
    places = enrol(["location", "channel"], [{"location": "North", "channel": "#north"}], key="location")
    directory = Directory(places=places, staff=enrol(["email", "team_leader", "place"], rows, key="email"))
    feed(db, answer(interaction=Interaction(id="R-1", location="north" if staff is None else None, staff=staff)))
    decide_all(db, replace(example_settings(), rules=(rule,), directory=directory))
    return [f"{row.fields['channel']}: {row.fields['text']}" for row in planned(db, WriteKind.ALERT)]


def test_rules_and_texts_speak_of_the_place_and_the_staff(db: Database) -> None:
    jim = {"email": "jim@example.com", "team_leader": "tara@example.com", "place": "North"}
    assert deciding(db, "place.location == 'North'", jim, staff="JIM@example.com") == ["#north: ask tara@example.com"]


def test_what_the_lists_lack_is_a_missing_value_and_the_rule_does_not_act(db: Database) -> None:
    assert deciding(db, "staff.team_leader != 'tara@example.com'") == []
    with db.read() as tx:
        [told] = [each.detail for each in history.for_response(tx, 1) if each.event == "decided"]
    assert isinstance(told, dict)
    assert "missing: staff.team_leader" in str(told["rules"])
