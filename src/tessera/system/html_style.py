# SPDX-License-Identifier: BSD-2-Clause
"""How the page of a report looks. It is light or dark as the reader's system is, and always light on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --ink: #1b2430; --muted: #5b6777; --line: #cdd4dd; --wire: #8793a2;
  --call: #1d5fbf; --notify: #a85400; --fault: #a3295c; --thread: #6a3fb0; --part: #3b78c9;
  --area-fill: 90%; --area-line: 45%; --program: #e9edf2; --stack: #f3ecdc; --device: #f4e3e3; --device-line: #b06a6a;
  --good: #2b7a3a; --bad: #b3261e; --mark: #fff1b8;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --panel: #1a2028; --ink: #e5e9ef; --muted: #9aa6b5; --line: #36404d; --wire: #6d7a8a;
    --call: #77adf7; --notify: #e6a050; --fault: #ec7fae; --thread: #b699ef; --part: #4f8fe0;
    --area-fill: 22%; --area-line: 58%; --program: #252d38; --stack: #33301f; --device: #3a2626; --device-line: #c98585;
    --good: #7ccb8a; --bad: #ff8a80; --mark: #4a431c;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 0 0 .3rem; }
p { margin: .25rem 0 .75rem; max-width: 62rem; }
nav a { margin-right: 1.1rem; }
a { color: var(--call); }
.muted, .subtitle { color: var(--muted); }
.warnings { border-left: 4px solid var(--notify); background: var(--panel); padding: .5rem 1rem; }
.warnings li { overflow-wrap: anywhere; }
figure { margin: .5rem 0 1rem; overflow-x: auto; }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
.columns { display: flex; flex-wrap: wrap; gap: 1.25rem 1.1rem; align-items: flex-end; }
.columns figure { margin: 0; overflow: visible; max-width: 212px; }
.cards { display: flex; flex-wrap: wrap; gap: 1.25rem 2rem; align-items: flex-start; }
.holders { columns: 33rem auto; column-gap: 2rem; }
.holders details { overflow-x: auto; break-inside: avoid; }
.holders table { font-size: .82rem; }
.holders code, .holders td.code { font-size: .75rem; }
.holders td { padding-right: .6rem; }
.thread { color: var(--muted); font-size: .8rem; }
.cards > * { flex: 0 1 auto; min-width: 0; max-width: 100%; overflow-x: auto; }
code, td.code, svg text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono",
  monospace; }
code, td.code { font-size: .82rem; }
table { border-collapse: collapse; font-size: .88rem; margin: 0 0 .5rem; }
th { text-align: left; font-weight: 600; color: var(--muted); }
th, td { padding: .12rem .9rem .12rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: 0 0 .9rem; }
summary { cursor: pointer; font-weight: 600; margin-bottom: .25rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; font-size: .82rem; color: var(--muted); max-width: none; }
.legend svg { vertical-align: -4px; }
svg text { fill: var(--ink); }
svg .muted, svg .gap { fill: var(--muted); }
svg .name { font-weight: 600; }
svg path { fill: none; }
svg .reach { stroke: transparent; stroke-width: 9; }
svg .rule, svg .grid { stroke: var(--line); }
.box rect { fill: var(--panel); stroke: var(--muted); }
.box.monitor rect { stroke-dasharray: 5 3; }
.box .port.call { fill: var(--call); }
.box .port.notify, .box .port.interrupt { fill: var(--notify); }
.box .port.idle, .box .port.inside { fill: var(--muted); }
.box rect.pill { fill: var(--page); stroke: var(--wire); }
.box rect.pill.call { stroke: var(--call); fill: var(--page); }
.box rect.pill.notify, .box rect.pill.interrupt { stroke: var(--notify); fill: var(--page); }
.channel .wire { stroke: var(--wire); stroke-width: 1.3; }
.channel.call .wire { stroke: var(--call); stroke-width: 2.2; }
.channel.notify .wire { stroke: var(--notify); }
.channel.idle .wire { stroke-dasharray: 1 3; }
.head.call { fill: var(--call); }
.head.notify { stroke: var(--notify); stroke-width: 1.6; }
.faults .wire { stroke: var(--fault); stroke-width: 1; stroke-dasharray: 2 3; }
.faults .head { fill: var(--fault); }
.item .wire { stroke: var(--wire); stroke-width: 1.3; }
.item .wire.read { stroke-dasharray: 5 3; }
.item circle { fill: var(--wire); }
.item rect { fill: var(--panel); stroke: var(--wire); }
.item.device rect, .area.device rect { fill: var(--device); stroke: var(--device-line); }
.item.device .wire { stroke: var(--device-line); }
.item.interrupt .wire { stroke: var(--notify); }
.item.interrupt rect { stroke: var(--notify); }
.item.shared rect, .area.shared rect { fill: hsl(var(--h) 60% var(--area-fill));
  stroke: hsl(var(--h) 50% var(--area-line)); }
.item.shared .wire { stroke: hsl(var(--h) 50% var(--area-line)); stroke-width: 1.6; }
.item.shared circle { fill: hsl(var(--h) 50% var(--area-line)); }
.channel:hover .wire, .item:hover .wire { stroke-width: 4; }
.faults:hover .wire { stroke-width: 2.5; }
.area rect { fill: var(--panel); stroke: var(--wire); }
.area.program rect { fill: var(--program); }
.area.stack rect { fill: var(--stack); }
.area.guard rect { fill: var(--page); }
.slant { stroke: var(--line); }
.over { paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
.own { fill: var(--program); }
.letter { font-weight: 700; font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
svg .letter.call, b.letter.call { fill: var(--call); color: var(--call); }
svg .letter.notify, b.letter.notify { fill: var(--notify); color: var(--notify); }
svg .letter.fault, svg .letter.init_done, b.letter.fault, b.letter.init_done
  { fill: var(--fault); color: var(--fault); }
svg .letter.thread, svg .letter.time, b.letter.thread, b.letter.time { fill: var(--thread); color: var(--thread); }
.bar .whole { fill: var(--program); }
.bar .part { fill: var(--part); }
.bar.passive .whole { fill: var(--page); stroke: var(--wire); stroke-dasharray: 4 3; }
.filter, .kinds { display: none; gap: .3rem 1rem; align-items: center; flex-wrap: wrap; }
.live .filter { display: flex; position: sticky; top: 0; z-index: 2; background: var(--page); padding: .5rem 0;
  border-bottom: 1px solid var(--line); }
.live .kinds { display: flex; }
.filter input { font: inherit; padding: .2rem .5rem; width: min(22rem, 60vw); color: var(--ink);
  background: var(--panel); border: 1px solid var(--wire); border-radius: 4px; }
.filter button { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--wire);
  border-radius: 4px; }
svg .off { opacity: .08; }
svg .off.near { opacity: .6; }
.authority text.off { opacity: .4; }
section { scroll-margin-top: 3.5rem; }
tr.off, details.off, figure.off { display: none; }
.live [data-name], .live [data-line] { cursor: pointer; }
.no-call .channel.call, .no-notify .channel.notify, .no-faults .faults, .no-item .item { display: none; }
svg .line { fill: var(--call); text-decoration: underline; }
section > table { display: block; }
details, section > table { max-width: 100%; overflow-x: auto; }
.policy code, p code { overflow-wrap: anywhere; }
.policy { padding-left: 0; list-style: none; }
.policy li { margin-bottom: .35rem; }
.policy ol li { margin: 0; }
.policy .muted { display: block; margin: 0 0 0 2.2rem; }
b.yes, b.no { display: inline-block; min-width: 1.9rem; }
b.yes { color: var(--good); }
b.no, .alarm { color: var(--bad); }
.utilisation .whole, .responses .whole { fill: var(--program); }
.utilisation .part, .response .part { fill: var(--part); }
.utilisation .part.other { fill: var(--call); }
.response.late .part { fill: var(--bad); }
.response .without { stroke: var(--ink); }
svg .limit { stroke: var(--ink); stroke-dasharray: 4 3; }
.area.idle rect { fill: var(--page); }
.source { max-height: 34rem; overflow: auto; background: var(--panel); padding: .75rem 0; font-size: .8rem;
  line-height: 1.45; }
.source span { display: block; padding: 0 1rem; }
.source i { display: inline-block; width: 3.2rem; color: var(--muted); font-style: normal; user-select: none; }
.source span:target { background: var(--mark); }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav, .live .filter, .live .kinds { display: none; }
  .source { max-height: none; overflow: visible; white-space: pre-wrap; }
  .off { opacity: 1; }
  figure { overflow: visible; }
  figure > svg { max-width: 100%; height: auto; }
  h2, h3, figcaption, summary { break-after: avoid; }
  .columns figure, tr, .holders { columns: 33rem auto; column-gap: 2rem; }
.holders details { overflow-x: auto; break-inside: avoid; }
.holders table { font-size: .82rem; }
.holders code, .holders td.code { font-size: .75rem; }
.holders td { padding-right: .6rem; }
.thread { color: var(--muted); font-size: .8rem; }
.cards > * { break-inside: avoid; }
}
"""
