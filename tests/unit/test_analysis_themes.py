"""Themes: several per comment, typos forgiven, words respected, look-alikes not taken for typos."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.analysis.themes import LETTERS_PER_TYPO, Themes
from connector.domain.analysis.words import fold

SHIPPED = Path(__file__).parents[2] / "mappings" / "themes.yaml"


@pytest.fixture(scope="module")
def shipped() -> Themes:
    return Themes(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))


def themes_of(*phrases: str, lookalikes: tuple[str, ...] = ()) -> Themes:
    return Themes({"topic": {"en": list(phrases), "lookalikes": {"en": list(lookalikes)}}})


def test_a_comment_may_carry_several_themes_each_with_its_words(shipped: Themes) -> None:
    found = shipped.find("I WAITED for hours, the invoice was wrong and it is dangerous!", "en")
    assert found == {"price": "invoice", "safety": "dangerous", "waiting": "WAITED, hours"}


def test_themes_come_sorted(shipped: Themes) -> None:
    assert list(shipped.find("unsafe, rude and expensive", "en")) == ["price", "safety", "staff"]


def test_evidence_quotes_the_comment_as_written(shipped: Themes) -> None:
    assert shipped.find("Das war GEFÄHRLICHH.", "de") == {"safety": "GEFÄHRLICHH"}


@pytest.mark.parametrize("typo", ["dangerus", "dangeros", "dangeruos", "dangerrous", "dnagerous"])
def test_one_typo_per_five_letters_counts(typo: str) -> None:
    assert themes_of("dangerous").find(f"it is {typo}", "en") == {"topic": typo}


@pytest.mark.parametrize("other", ["dangrs", "angerous", "dngrous", "dangerously"])
def test_more_typos_or_a_wrong_first_letter_do_not(other: str) -> None:
    assert themes_of("dangerous").find(f"it is {other}", "en") == {}


def test_longer_words_forgive_more() -> None:
    assert themes_of("bremsversagen").find("bremsvresagn", "en") == {"topic": "bremsvresagn"}


def test_short_words_must_be_right() -> None:
    assert themes_of("late").find("last lane", "en") == {}
    assert themes_of("late").find("late", "en") == {"topic": "late"}


def test_words_are_not_found_inside_words() -> None:
    assert themes_of("fire", "price").find("the fireplace was priceless, firefighter", "en") == {}


def test_the_words_of_a_phrase_stand_side_by_side_in_one_sentence() -> None:
    themes = themes_of("still broken")
    assert themes.find("It is still brokn today", "en") == {"topic": "still brokn"}
    assert themes.find("It is still not broken", "en") == {}
    assert themes.find("I am still. Broken windows", "en") == {}


def test_accents_case_and_umlauts_typed_without_them_are_the_same() -> None:
    themes = Themes({"safety": {"de": ["gefährlich"], "es": ["nadie llamó"]}, "late": {"de": ["spät"]}})
    for text in ("GEFÄHRLICH", "gefahrlich", "gefaehrlich", "gefa\u0308hrlich"):
        assert set(themes.find(text, "de")) == {"safety"}
    assert set(themes.find("viel zu spaet", "de")) == {"late"}
    assert set(themes.find("Nadie Llamo", "es")) == {"safety"}


def test_lookalikes_are_not_typos() -> None:
    assert themes_of("smoke").find("I spoke to them", "en") == {"topic": "spoke"}
    assert themes_of("smoke", lookalikes=("spoke",)).find("I spoke to them", "en") == {}


def test_another_language_has_other_phrases_and_und_has_all(shipped: Themes) -> None:
    assert shipped.find("teuer", "en") == {}
    assert shipped.find("teuer", "fr") == {}
    assert shipped.find("teuer", "und") == {"price": "teuer"}
    assert shipped.find("expensive", "und") == {"price": "expensive"}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            "I spoke to Anna, she changed the oil and gave me good stuff I wanted. What a pride of a technical team",
        ),
        ("de", "Alle waren auch sehr nett, die kleine Wartung war rasch fertig und wir fahren gern wieder hin"),
        ("es", "Buenas tardes, luego pareció todo preciso y las personas muy correctas, premio para todos"),
    ],
)
def test_everyday_words_carry_no_theme(shipped: Themes, language: str, text: str) -> None:
    assert shipped.find(text, language) == {}


def test_critical_themes_are_known(shipped: Themes) -> None:
    assert shipped.critical == {"safety"}
    assert shipped.names == tuple(sorted(shipped.names))
    assert shipped.languages == ("de", "en", "es")


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({"safety": ["fire"]}, "safety"),
        ({"safety": {"en": "fire"}}, "safety.en"),
        ({"safety": {"en": ["fire", 3]}}, "safety.en"),
        ({"safety": {"en": ["…"]}}, "safety.en"),
        ({"safety": {"critical": "yes"}}, "safety.critical"),
        ({"safety": {"lookalikes": ["spoke"]}}, "safety.lookalikes"),
        ({"safety": {"lookalikes": {"en": "spoke"}}}, "safety.lookalikes.en"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_place(tree: dict[str, object], place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}:"):
        Themes(tree)


WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=20)


@given(word=WORD, data=st.data())
def test_any_single_typo_after_the_first_letter_is_forgiven(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    for typo in (
        word[:place] + letter + word[place + 1 :],
        word[:place] + letter + word[place:],
        word[:place] + word[place + 1 :],
    ):
        assert themes_of(word).find(f"so {typo} so", "en").get("topic") == typo


@given(word=WORD, other=WORD)
def test_a_match_is_never_longer_or_shorter_than_its_typos_allow(word: str, other: str) -> None:
    if themes_of(word).find(other, "en"):
        assert abs(len(word) - len(other)) <= len(word) // LETTERS_PER_TYPO
        assert word[0] == other[0]


@given(comment=st.text(max_size=300))
def test_any_text_can_be_read_and_evidence_is_taken_from_it(comment: str) -> None:
    themes = Themes({"a": {"en": ["fire", "too long", "expensive"], "de": ["spät"]}})
    for quote in themes.find(comment, "und").values():
        assert all(fold(part) in fold(comment) for part in quote.split(", "))


def test_a_thousand_comments_a_second(shipped: Themes) -> None:
    comment = "The invoice was awfull and overpriced, and the car has the same problm again. Very disapointed. " * 3
    started = time.perf_counter()
    for _ in range(200):
        shipped.find(comment, "und")
    assert time.perf_counter() - started < 0.2 * 5  # five times the room: machines under test are busy


def test_a_huge_comment_is_read_in_part(shipped: Themes) -> None:
    assert shipped.find("so " * 999 + "unsafe", "en") == {"safety": "unsafe"}
    assert shipped.find("so " * 1000 + "unsafe", "en") == {}
    started = time.perf_counter()
    shipped.find("dangeros " * 50_000, "und")
    assert time.perf_counter() - started < 2
