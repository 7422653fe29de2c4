"""What a comment is about: phrases of the themes file found in it, typos allowed, with the words that matched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from connector.domain.analysis.language import UNKNOWN_LANGUAGE
from connector.domain.analysis.words import Word, fold, spellings, words_of

LETTERS_PER_TYPO = 5
"""One typo counts as a match for every so many letters of a word; shorter words must be right."""

MOST_WORDS = 1_000
"""Words read of one comment."""

MOST_QUOTES = 3
"""Different matches quoted as evidence for one theme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phrase:
    """A phrase of the file: its words, folded, and the theme it speaks for."""

    words: tuple[str, ...]
    theme: str


class _Lexicon:
    """The phrases of one language, arranged so that each word of a comment is looked up once.

    A word matches a vocabulary word when it is the same, or differs by at most one typo (a wrong, missing, doubled or
    swapped letter) per five letters while the first letter is right: people rarely get that one wrong, and other words
    of the language often differ just there (`auch` and `Rauch`). Known look-alikes (`spoke`, not `smoke`) never match.
    """

    def __init__(self, phrases: Sequence[_Phrase], lookalikes: frozenset[str]) -> None:
        self._by_first_word: dict[str, list[_Phrase]] = {}
        for phrase in phrases:
            self._by_first_word.setdefault(phrase.words[0], []).append(phrase)
        self._vocabulary = frozenset(word for phrase in phrases for word in phrase.words)
        self._lookalikes = lookalikes
        self._tolerant: dict[tuple[str, int], list[str]] = {}
        for word in sorted(self._vocabulary):
            typos = len(word) // LETTERS_PER_TYPO
            if typos:
                self._tolerant.setdefault((word[0], typos), []).append(word)
        self._most_typos = max((typos for _, typos in self._tolerant), default=0)

    def matches(self, words: Sequence[Word]) -> Iterator[tuple[str, int, int]]:
        """Theme, and first and last word, of every phrase found in `words`."""
        alike = [self._alike(word.folded) for word in words]
        for first, candidates in enumerate(alike):
            for candidate in candidates:
                for phrase in self._by_first_word.get(candidate, ()):
                    last = first + len(phrase.words) - 1
                    if last < len(words) and self._continues(phrase, first, words, alike):
                        yield phrase.theme, first, last

    @staticmethod
    def _continues(phrase: _Phrase, first: int, words: Sequence[Word], alike: Sequence[frozenset[str]]) -> bool:
        return all(
            expected in alike[first + offset] and not words[first + offset].breaks
            for offset, expected in enumerate(phrase.words[1:], start=1)
        )

    def _alike(self, word: str) -> frozenset[str]:
        """The vocabulary words that `word` may stand for."""
        if word in self._vocabulary:
            return frozenset((word,))
        if word in self._lookalikes:
            return frozenset()
        found: set[str] = set()
        for typos in range(1, self._most_typos + 1):
            near = self._tolerant.get((word[0], typos))
            if near and LETTERS_PER_TYPO * typos - typos <= len(word) < LETTERS_PER_TYPO * (typos + 1) + typos:
                hits = process.extract(word, near, scorer=OSA.distance, score_cutoff=typos, limit=None)
                found.update(hit[0] for hit in hits)
        return frozenset(found)


class Themes:
    """The themes file, compiled: theme name → {`critical`: bool, `lookalikes`: {language: words}, language: phrases}.

    `tree` is what the YAML parser made of the file. Raises ValueError naming the first place that cannot be used.
    Immutable after construction, so threads may share it.
    """

    def __init__(self, tree: Mapping[str, object]) -> None:
        phrases: dict[str, list[_Phrase]] = {}
        lookalikes: dict[str, set[str]] = {}
        critical: set[str] = set()
        for name, body in tree.items():
            if not isinstance(body, Mapping):
                raise ValueError(f"{name}: languages with their phrases are expected")  # noqa: TRY004  a mistake in a file
            for key, value in body.items():
                if key == "critical":
                    if _flag(f"{name}.critical", value):
                        critical.add(name)
                elif key == "lookalikes":
                    for language, words in _languages(f"{name}.lookalikes", value):
                        lookalikes.setdefault(language, set()).update(fold(word) for word in words)
                else:
                    texts = _texts(f"{name}.{key}", value)
                    phrases.setdefault(str(key), []).extend(_phrases(f"{name}.{key}", name, texts))
        self.names = tuple(sorted(tree))
        self.critical = frozenset(critical)
        self.languages = tuple(sorted(phrases))
        self._lexicons = {
            language: _Lexicon(found, frozenset(lookalikes.get(language, ()))) for language, found in phrases.items()
        }

    def find(self, comment: str, language: str) -> dict[str, str]:
        """Theme → the words of `comment` that speak for it, sorted by theme; several themes may apply.

        A comment of undetermined language (`und`) is searched for the phrases of every language; one in a language
        without phrases has no themes. A theme says what the comment is about, not whether it is praise or blame:
        "no delay at all" is about waiting.
        """
        text = unicodedata.normalize("NFC", comment)
        words = words_of(text, MOST_WORDS)
        chosen = self.languages if language == UNKNOWN_LANGUAGE else (language,)
        quotes: dict[str, dict[str, None]] = {}
        for code in chosen:
            if code in self._lexicons:
                for theme, first, last in self._lexicons[code].matches(words):
                    quotes.setdefault(theme, {})[text[words[first].start : words[last].end]] = None
        return {theme: ", ".join(list(quotes[theme])[:MOST_QUOTES]) for theme in sorted(quotes)}


def _phrases(place: str, theme: str, texts: Sequence[str]) -> Iterator[_Phrase]:
    for text in texts:
        normal = unicodedata.normalize("NFC", text)
        words = [normal[word.start : word.end] for word in words_of(normal, MOST_WORDS)]
        if not words:
            raise ValueError(f"{place}: a phrase needs a word, {text!r} has none")
        as_written = tuple(spellings(word)[0] for word in words)
        as_typed = tuple(spellings(word)[-1] for word in words)
        for spelling in dict.fromkeys((as_written, as_typed)):
            yield _Phrase(words=spelling, theme=theme)


def _flag(place: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{place}: true or false is expected")  # noqa: TRY004  as above
    return value


def _texts(place: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{place}: a list of phrases is expected")
    return value


def _languages(place: str, value: object) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}: languages with their words are expected")  # noqa: TRY004  as above
    for language, words in value.items():
        yield str(language), _texts(f"{place}.{language}", words)
