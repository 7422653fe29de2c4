"""Surnames so common that people share them with a given name: the hundred or so commonest of each language, folded."""

from __future__ import annotations

from typing import Final

_EVERYDAY: Final = (
    "adams albrecht allen alonso alvarez anderson arnold baker baumann baur beck becker bell berger bergmann "
    "bernard bertrand bianchi bohm brandt braun brown bruno busch campbell carter castro clark clarke collins "
    "colombo conti cook cooper davies davis demir diaz dietrich dominguz dubois durand edwards engel esposito "
    "evans fernandez ferrari fischer fournier frank franke friedrich fuchs garcia gil girard gomez gonzalez graf "
    "greco green gross gruber gunther gutierrez haas hahn hall harris hartmann heinrich hernandez herrmann hill "
    "hoffmann hofmann horn huber hughes jackson jager jimenez johnson jones jung kaiser kaya keller kelly khan "
    "king klein koch kohler konig kowalski kramer kraus krause kruger kuhn lang lange laurent lee lefebvre "
    "lehmann leroy lewis lopez lorenz ludwig maier marino martin martinez mayer meier meyer michel miller "
    "mitchell molina moller moore moreau moreno morgan morris muller munoz murphy navarro neumann nguyen novak "
    "nowak ortega ortiz otto parker patel perez peters petit pfeiffer phillips pohl ramirez ramos ricci richter "
    "robert roberts robinson rodriguz rogers romano romero rossi roth roux rubio ruiz russo sanchez saur schafer "
    "schmidt schmitt schmitz schneider scholz schreiber schroder schubert schulz schulze schumacher schuster "
    "schwarz scott seidel serrano simon smith sommer stein steiner stewart suarez taylor thomas thompson torres "
    "turner vazquz vincent vogel vogt voigt wagner walker walter ward watson weber weiss werner white williams "
    "wilson winkler winter wolf wolff wood wright yilmaz young ziegler zimmermann "
)
EVERYDAY: Final = frozenset(_EVERYDAY.split())
"""Whoever has one of these and a common given name has namesakes."""
