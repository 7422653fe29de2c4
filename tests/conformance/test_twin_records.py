"""The twin of a shop holds what the suite of records asks: the suite can be met."""

from __future__ import annotations

from pathlib import Path

from connector.testing.records import InteractionsSuite, Kept, Shop
from connector.testing.twin_records import COLUMNS, TwinRecords, TwinShop


def twin(_folder: Path) -> Shop:
    shop = TwinShop()

    def works(answers: bool) -> None:
        shop.works = answers

    def rename(name: str) -> None:
        shop.columns = tuple(name if column == "service" else column for column in COLUMNS)

    return Shop(
        connect=lambda: TwinRecords(shop),
        write=lambda rows: shop.write(list(rows)),
        damage=lambda: works(False),
        mend=lambda: works(True),
        rename=rename,
        state=lambda: list(shop.rows),
    )


class TestRecords(InteractionsSuite):
    cases = {"records": Kept(page="twin", open=twin)}
    lacks = {"C7": "Its changes are numbered as they come."}
