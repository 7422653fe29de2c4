"""Given names the comparison of names has to know: short forms, and names that lie a letter apart and are not slips."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SHORT: Final = (
    "william bill billy will willy",
    "robert bob bobby rob robbie",
    "richard dick rick ricky",
    "james jim jimmy jamie",
    "john jack johnny",
    "michael mike micky mick",
    "thomas tom tommy",
    "edward ed eddie ted",
    "charles charlie chuck",
    "elizabeth liz beth betty lisbeth",
    "margaret maggie peggy meg",
    "katherine catherine kate kathy cathy katie",
    "anthony tony",
    "joseph joe joey",
    "daniel dan danny",
    "david dave",
    "matthew matt",
    "christopher chris",
    "nicholas nick",
    "benjamin ben",
    "samuel sam",
    "andrew andy",
    "steven stephen steve",
    "gregory greg",
    "jennifer jenny jen",
    "jessica jess",
    "rebecca becky",
    "susan sue suzy",
    "deborah debbie",
    "patricia patty",
    "johannes hans hannes",
    "josef sepp",
    "friedrich fritz",
    "heinrich heinz",
    "wolfgang wolf",
    "katharina kathi",
    "elisabeth lisa sissi",
    "franz franzl",
    "maximilian max",
    "alexander alex",
    "francisco paco",
    "jose pepe",
    "ignacio nacho",
    "dolores lola",
    "jesus chuy",
)
"""What people are called in one place and written in another. Each line is one name, the first is its root."""
_COMMON: Final = (
    "adam alan albert alex alexa alexander alexandra alicia alina aline amanda amelia ana andrea andreas andrew "
    "angela angelo anita anja ann anna anne annika anton antonia antonio barbara beata beate benjamin bernd "
    "bernhard brian carl carla carlo carlos carmen carol carola caroline christa christian christiane christina "
    "christine christoph clara claudia claudio daniel daniela daniele david denis denise diana dieter dominik "
    "doris edward elena elias elisa elise ella ellen elsa emil emilia emily emma eric erica erik erika eva felix "
    "florian francesca francesco frank franz franziska frieda gabriel gabriela gabriele georg george gerd gerda "
    "gerhard hanna hannah hanno hans harry heike heiko heinz helen helena helene helga helmut henri henry ilona "
    "ilse inga inge ingo irena irene iris isabel jacob jakob jan jana jane janet janine jasmin jean jeanne jens "
    "joachim joan joel johan johann johanna john jonas jonathan jose josef julia julian juliana juliane julie "
    "julius karin karina karl karla karlo kathrin katja katrin kevin klara klaus kurt lara lars laura lauren "
    "laurin lea lena leo leon leona leonie lina linda lisa louis louisa louise luca lucas lucia luisa lukas lydia "
    "manfred manuel manuela marc marcel marco marcus maria marian mariana marianne marie marina mario marion "
    "marius mark marko markus marlene marta martha martin martina marvin mary mateo mathias matteo maurice max "
    "maya melanie melina merle mia michael michaela michel michele mila milan milena mira miriam monica monika "
    "nadia nadine natalia natalie nicola nicolas nicole nils nina nora norbert olaf olga oliver olivia otto pablo "
    "pascal patricia patrick paul paula pauline pedro peter petra pia rafael ralf ramon ramona raul regina reiner "
    "renata renate rene rita robert roberta roberto robin roland rolf romy rosa rosi rudolf ruth sabina sabine "
    "sandra sandro sara sarah sebastian selina sergio silke silvia silvio simon simona simone sofia sonja sophia "
    "sophie stefan stefanie stella susanna susanne sven svenja sylvia tanja tara teresa theo theresa thomas tim "
    "tina tobias tom udo ulrich ulrike ursula uta ute uwe valentin valentina vera verena victor victoria viktor "
    "viola walter wilhelm yvonne "
)


def _roots() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in _SHORT:
        first, *others = line.split()
        found |= dict.fromkeys(others, first)
    return MappingProxyType(found)


ROOTS: Final = _roots()
"""Short form → the name it stands for."""
COMMON: Final = frozenset(_COMMON.split())
"""Two different ones of these are two people, however few letters lie between them."""
