"""Keys are replaced: values sealed anew in slices, indexes kept, and only then the old key may go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from connector.clock import VirtualClock
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Respondent
from connector.errors import StoreError
from connector.secret import Secret
from connector.store import history, keys, people, resealing
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.schema import meta
from tests.stores import store_url
from tests.unit.samples import NOON

pytestmark = pytest.mark.both_stores

OLD, NEW = Secret(KeyRing.generate()), Secret(KeyRing.generate())


def opened(path: Path, *ring: Secret) -> Database:
    return Database(store_url(path), KeyRing(ring), VirtualClock(NOON))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path
    db = opened(place, OLD).create()
    with db.write() as tx:
        for number in range(5):
            person = people.create(tx)
            mail = f"p{number}@example.com"
            people.learn(tx, person, {KeyKind.EMAIL: mail}, Respondent(email=mail))
            history.append(tx, "mapped", person_id=person, detail={"n": number})
    db.close()
    return place


def resealed(db: Database, slices: int = 1000) -> int:
    done = 0
    for place in resealing.places():
        for _ in range(slices):
            with db.write() as tx:
                number = resealing.reseal(tx, db.keyring, place, limit=2)
            done += number
            if not number:
                break
    return done


def test_after_resealing_the_old_key_is_dropped_and_everything_is_found_and_read(path: Path) -> None:
    db = opened(path, NEW, OLD)
    with db.read() as tx:
        assert set(resealing.under_keys(tx)) == {KeyRing([OLD]).key_ids[0]}
    assert resealed(db) == 10
    with db.write() as tx:
        assert resealing.finish(tx, db.keyring) == KeyRing([OLD]).key_ids
    db.close()
    with opened(path, NEW).read() as tx:
        person = people.find(tx, KeyKind.EMAIL, "p3@example.com")
        assert person is not None
        assert people.details(tx, person).email == "p3@example.com"
        assert keys.used(tx) == KeyRing([NEW]).key_ids
    with pytest.raises(StoreError, match="does not hold the key"), opened(path, OLD).read():
        pass


def test_a_daemon_that_does_not_know_the_new_key_seals_nothing_once_its_own_may_go(path: Path) -> None:
    daemon, db = opened(path, OLD), opened(path, NEW, OLD)
    with daemon.write() as tx:
        history.append(tx, "mapped", person_id=1, detail={"n": 6})
    resealed(db)
    with db.write() as tx:
        assert resealing.finish(tx, db.keyring) == KeyRing([OLD]).key_ids
    with pytest.raises(StoreError, match="restart the daemon"), daemon.write() as tx:
        history.append(tx, "mapped", person_id=1, detail={"n": 7})
    with db.read() as tx:
        assert set(resealing.under_keys(tx)) == {KeyRing([NEW]).key_ids[0]}


def test_a_key_that_still_seals_something_stays_needed(path: Path) -> None:
    db = opened(path, NEW, OLD)
    assert resealed(db, slices=1) == 4, "interrupted: two people, two entries"
    with db.write() as tx:
        assert resealing.finish(tx, db.keyring) == ()
    db.close()
    with pytest.raises(StoreError, match="lacks key"), opened(path, NEW).read():
        pass
    again = opened(path, NEW, OLD)
    assert resealed(again) == 6, "what was done is not done again"


def test_a_store_of_an_earlier_version_learns_its_index_key_from_the_ring(path: Path) -> None:
    with opened(path, OLD).write() as tx:
        tx.execute(delete(meta).where(meta.c.name == "index_key"))
    with opened(path, OLD, NEW).read() as tx:
        assert people.find(tx, KeyKind.EMAIL, "p1@example.com") is not None
    with opened(path, NEW, OLD).read() as tx:
        sealed = tx.execute(select(meta.c.value).where(meta.c.name == "index_key")).scalar_one()
    assert KeyRing([OLD]).index.hex() not in sealed


def test_every_sealed_column_is_bound_to_its_own_name() -> None:
    """`reseal` takes the column's name for the label; a value that is bound to another would not open."""
    labels = {place.label for place in resealing.places()}
    sources = "".join(file.read_text() for file in (Path(resealing.__file__).parent).glob("*.py"))
    bound = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', sources)) - {keys.INDEX}
    assert labels <= bound, labels - bound
