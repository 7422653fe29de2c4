"""Identities in one spelling, so that equal ones compare equal. What cannot be an identity becomes None."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import phonenumbers

# Deliberately loose: one @, no spaces, a dot in the domain. Whether it exists only the mail server knows.
_EMAIL: Final = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,190}\.[^\s@<>\".]{1,60}")


def email(text: str) -> str | None:
    """NFKC, without surrounding space, the domain in lower case; None when it has not the shape of an address."""
    address = unicodedata.normalize("NFKC", text).strip().removeprefix("mailto:")
    if not _EMAIL.fullmatch(address):
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def phone(text: str, region: str | None) -> str | None:
    """E.164, for example +49301234567; None when it is no possible number.

    `region` is the ISO 3166 country whose national numbers are understood; without one only `+…` numbers are.
    """
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", text), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_region(code: str) -> bool:
    """Whether `code` is a country phone numbers can be read for."""
    return code in phonenumbers.SUPPORTED_REGIONS
