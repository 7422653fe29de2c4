"""What analysis adds to a response: language, sentiment and themes of its comment."""

from __future__ import annotations

from types import MappingProxyType

from connector.domain.analysis.language import Languages
from connector.domain.analysis.sentiment import EnglishSentiment
from connector.domain.analysis.themes import Themes
from connector.domain.model.response import Understanding


def understand(
    comment: str | None,
    hint: str | None,
    *,
    languages: Languages,
    themes: Themes,
    sentiment: EnglishSentiment,
) -> Understanding:
    """Read a comment. A blank one (none, white space, punctuation or emoji only) says nothing and costs nothing.

    `hint` is the language the survey names, see `Languages.detect`. The same input always gives the same answer.
    """
    if comment is None or not any(character.isalnum() for character in comment):
        return Understanding()
    language = languages.detect(comment, hint)
    feeling, compound = sentiment.judge(comment, language)
    found = themes.find(comment, language)
    return Understanding(
        language=language,
        sentiment=feeling,
        compound=compound,
        themes=tuple(found),
        evidence=MappingProxyType(found),
    )
