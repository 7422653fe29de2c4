"""How the page of a report looks: one column on a phone, two charts side by side on a screen, plain in print."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6875; --edge: #dfe4ea; --paper: #fff; --ground: #f4f6f8;
  --main: #1f5fbf; --band: #1f5fbf22; --good: #17734b; --bad: #b3261e; --mark: #a15c00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 40px; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 12px; }
.lead { font-size: 1.1rem; margin: 2px 0; color: var(--ink); }
header p { margin: 2px 0; color: var(--soft); overflow-wrap: anywhere; }
section { background: var(--paper); border: 1px solid var(--edge); border-radius: 10px; padding: 16px; margin: 16px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 18px 0; }
.card { background: var(--paper); border: 1px solid var(--edge); border-top: 4px solid var(--edge); border-radius: 10px;
  padding: 12px 14px; }
.card.good { border-top-color: var(--good); } .card.bad { border-top-color: var(--bad); }
.card h3 { font-size: .85rem; font-weight: 500; color: var(--soft); margin: 0 0 2px; }
.card b { font-size: 1.7rem; font-weight: 650; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.card p { margin: 2px 0 0; font-size: .8rem; color: var(--soft); } .card span { display: block; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 18px; }
figure { margin: 0; min-width: 0; } figure.bars { max-width: 660px; margin-bottom: 14px; }
figcaption { font-size: .85rem; color: var(--soft); margin-bottom: 4px; }
svg { width: 100%; height: auto; display: block; overflow: visible; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }
svg .axis, svg .value { text-anchor: end; } svg .date { text-anchor: middle; }
svg .name, svg .value { fill: var(--ink); font-size: 15px; } svg .target-name { fill: var(--mark); }
.grid { stroke: var(--edge); } .line { fill: none; stroke: var(--main); stroke-width: 2.5; stroke-linejoin: round; }
.dot { fill: var(--main); } .band { fill: var(--band); } .bar { fill: var(--main); } .track { fill: var(--ground); }
.whisker { stroke: var(--ink); stroke-width: 1.5; } .target { stroke: var(--mark); stroke-width: 1.5;
  stroke-dasharray: 5 4; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--edge); white-space: nowrap; }
th:first-child { text-align: left; white-space: normal; min-width: 11em; font-weight: 500; overflow-wrap: anywhere; }
td.why { text-align: left; color: var(--soft); white-space: normal; }
thead th { font-size: .8rem; font-weight: 500; color: var(--soft); vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 0; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--main); font-size: .9rem; }
footer { color: var(--soft); font-size: .82rem; } footer p { margin: 4px 0; }
@media (max-width: 560px) { main { padding: 16px 10px 28px; } section { padding: 12px; }
  .cards { grid-template-columns: 1fr 1fr; gap: 8px; } .card { padding: 10px; } .card b { font-size: 1.4rem; }
  th, td { padding: 6px 5px; font-size: .86rem; }
  thead th, td:last-child { white-space: normal; } th:first-child { min-width: 6em; }
  svg text { font-size: 19px; } svg .name, svg .value { font-size: 22px; } }
@media print { body { background: #fff; font-size: 11px; } main { max-width: none; padding: 0; }
  section, .card, figure { break-inside: avoid; } section { border: 0; padding: 0; } details { display: none; }
  .charts { grid-template-columns: 1fr 1fr; } * { print-color-adjust: exact; } }
"""
