"""Language and sentiment: right where they speak, silent where they would guess."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connector.domain.analysis.language import Languages
from connector.domain.analysis.sentiment import EnglishSentiment
from connector.domain.analysis.themes import Themes
from connector.domain.analysis.understand import understand
from connector.domain.model.response import Sentiment, Understanding

LANGUAGES = Languages(["en", "de", "es"])
SENTIMENT = EnglishSentiment()
THEMES = Themes({"safety": {"critical": True, "en": ["dangerous"], "de": ["gefährlich"]}, "price": {"en": ["price"]}})


def read(comment: str | None, hint: str | None = None) -> Understanding:
    return understand(comment, hint, languages=LANGUAGES, themes=THEMES, sentiment=SENTIMENT)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The mechanic was friendly and everything was ready on time", "en"),
        ("waited three hours", "en"),
        ("Die Bremsen quietschen immer noch und niemand ruft zurück", "de"),
        ("Personal unfreundlich", "de"),
        ("La espera fue demasiado larga y nadie me llamó", "es"),
        ("Todo bien, gracias", "es"),
    ],
)
def test_the_configured_languages_are_told_apart(text: str, language: str) -> None:
    assert LANGUAGES.detect(text) == language


@pytest.mark.parametrize(
    "text", ["", "ok", "zu teuer", "too late", "12345 67890 12345", "👍👍👍👍👍👍👍👍👍👍👍👍", "aaaaaaaaaaaaaaaa"]
)
def test_short_or_meaningless_texts_are_undetermined(text: str) -> None:
    assert LANGUAGES.detect(text) == "und"


@pytest.mark.parametrize("text", ["Service Center Audi", "Alpha Romeo Giulia TI"])
def test_an_unsure_detector_says_so(text: str) -> None:
    assert LANGUAGES.detect(text) == "und"


def test_a_hint_wins_over_the_detector() -> None:
    assert LANGUAGES.detect("ok", "de") == "de"
    assert LANGUAGES.detect("waited three hours", "de_AT") == "de"
    assert LANGUAGES.detect("waited three hours", "ES-mx") == "es"


def test_a_hint_at_another_language_is_not_bent_to_a_configured_one() -> None:
    assert LANGUAGES.detect("Merci beaucoup pour le service", "fr") == "und"


@pytest.mark.parametrize("hint", ["", "default", " ", None, "42", "deu"])
def test_what_is_no_hint_is_ignored(hint: str | None) -> None:
    assert LANGUAGES.detect("waited three hours", hint) == "en"


def test_one_language_needs_no_detector() -> None:
    only = Languages(["EN"])
    assert only.detect("Die Bremsen quietschen immer noch") == "en"
    assert only.detect("ok") == "und"


def test_languages_need_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Languages([])


def test_an_unknown_code_is_refused_when_the_model_is_read() -> None:
    with pytest.raises(ValueError, match="xx"):
        Languages(["en", "xx"]).detect("waited three hours")


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("Wonderful service, thank you so much!", Sentiment.POSITIVE),
        ("Terrible. I am very angry.", Sentiment.NEGATIVE),
        ("The car was blue and it had four wheels.", Sentiment.UNKNOWN),
    ],
)
def test_english_sentiment_speaks_or_abstains(text: str, sentiment: Sentiment) -> None:
    found, compound = SENTIMENT.judge(text, "en")
    assert found is sentiment
    assert (compound is None) == (sentiment is Sentiment.UNKNOWN)


@pytest.mark.parametrize("language", ["de", "es", "und", "fr"])
def test_sentiment_is_silent_about_other_languages(language: str) -> None:
    assert SENTIMENT.judge("Terrible. I am very angry.", language) == (Sentiment.UNKNOWN, None)


def test_nearly_nothing_is_nothing() -> None:
    """The lexicon gives this sentence 0.0258."""
    assert SENTIMENT.judge("All of us were aboard", "en") == (Sentiment.UNKNOWN, None)


@pytest.mark.parametrize("blank", [None, "", "   \n", "…", "👍", "-"])
def test_a_blank_comment_says_nothing(blank: str | None) -> None:
    assert read(blank, "en") == Understanding()


def test_a_comment_is_understood_whole() -> None:
    found = read("The brakes are dangerous and the price is a horrible joke.")
    assert found.language == "en"
    assert found.sentiment is Sentiment.NEGATIVE
    assert found.compound is not None
    assert found.compound < 0
    assert found.themes == ("price", "safety")
    assert dict(found.evidence) == {"price": "price", "safety": "dangerous"}


def test_german_has_themes_but_no_sentiment() -> None:
    found = read("Das ist wirklich sehr gefährlich gewesen")
    assert (found.language, found.sentiment, found.compound) == ("de", Sentiment.UNKNOWN, None)
    assert found.themes == ("safety",)


def test_understanding_twice_is_the_same() -> None:
    assert read("The brakes are dangerous") == read("The brakes are dangerous")


def test_importing_and_building_loads_no_model() -> None:
    code = (
        "import sys\n"
        "from connector.domain.analysis.understand import understand, Languages, EnglishSentiment\n"
        "Languages(['en', 'de']); EnglishSentiment()\n"
        "assert not {'numpy', 'py3langid', 'vaderSentiment'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
