-- The style of a report: light and dark, for wide and narrow screens, and for paper. Each colour of text has a contrast
-- of at least 4.5 to 1 (WCAG 2.2, 1.4.3). Paper uses the light colours in either case.

return [[

:root {
  --page: #ffffff; --panel: #f6f7f9; --line: #dfe3e8; --strong-line: #b4bcc6;
  --text: #1b1f24; --soft: #57606b; --link: #0b57b0;
  --approved: #1c8552; --pending: #985a00; --rejected: #b8322a; --disconnected: #6f7885; --other: #7a4fb5;
  --outside: #a3195b; --heat: 28, 98, 184;
  --good-panel: #e9f6ef; --warn-panel: #fdf0f6; --bad-panel: #fdeeed;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --panel: #1a1f26; --line: #2b323b; --strong-line: #4a5460;
    --text: #e4e8ed; --soft: #9ca7b4; --link: #7ab7ff;
    --approved: #4fc487; --pending: #e5a33c; --rejected: #f0837a; --disconnected: #97a1ae; --other: #b995ee;
    --outside: #f087b8; --heat: 96, 160, 240;
    --good-panel: #14281f; --warn-panel: #2d1824; --bad-panel: #321a19;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Hiragino Sans", "Yu Gothic UI",
    "Noto Sans CJK JP", "Noto Sans Arabic", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1480px; margin: 0 auto; padding: 40px 32px 80px; }
a { color: var(--link); text-underline-offset: 2px; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, .scroll:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px;
}
code { font-family: var(--mono); font-size: 0.86em; }
code, .wrap { overflow-wrap: anywhere; }
small { display: block; font-size: 12px; font-weight: 400; color: var(--soft); line-height: 1.4; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 16px; top: 16px; background: var(--page); padding: 8px 12px; }

header { margin-bottom: 24px; }
.maker { margin: 0; color: var(--soft); font-size: 13px; letter-spacing: 0.04em; }
h1 { margin: 2px 0 20px; font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; }
h2 { margin: 0 0 4px; font-size: 20px; line-height: 1.3; font-weight: 620; letter-spacing: -0.01em; }
h3 { margin: 28px 0 8px; font-size: 15px; font-weight: 620; }
section { margin-top: 56px; scroll-margin-top: 16px; }
.note { margin: 0 0 16px; color: var(--soft); max-width: 78ch; }
p { max-width: 90ch; }

dl.facts { display: flex; flex-wrap: wrap; gap: 10px 36px; margin: 0; }
dl.facts dt { color: var(--soft); font-size: 12px; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }

.notice { margin: 0 0 8px; padding: 10px 14px; border-radius: 6px; border-left: 3px solid; max-width: none; }
.notice.bad { background: var(--bad-panel); border-color: var(--rejected); }
.notice.warn { background: var(--warn-panel); border-color: var(--outside); }
.notice.good { background: var(--good-panel); border-color: var(--approved); }
.good::before { content: "✓ "; color: var(--approved); font-weight: 700; }
.notice.good::before { content: none; }

dl.figures { display: flex; flex-wrap: wrap; gap: 0; margin: 24px 0; border: 1px solid var(--line);
  border-radius: 8px; overflow: hidden; }
.figure { flex: 1 1 118px; padding: 14px 16px 12px; box-shadow: 1px 1px 0 0 var(--line); }
.figure dt { font-size: 13px; color: var(--soft); white-space: nowrap; }
.figure dd { margin: 2px 0 0; font-size: 26px; line-height: 1.2; font-weight: 620; letter-spacing: -0.01em; }
.figure small { font-weight: 400; letter-spacing: 0; margin-top: 2px; }
.figure.pending dd { color: var(--pending); }
.figure.outside dd { color: var(--outside); }
.figure.unread dd { color: var(--rejected); }

nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; list-style: none; font-size: 14px; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }

.dot { white-space: nowrap; }
.dot::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%; margin-right: 6px;
  background: var(--other); }
.dot.approved::before { background: var(--approved); }
.dot.pending::before { background: transparent; border: 2px solid var(--pending); }
.dot.rejected::before { background: var(--rejected); border-radius: 1px; }
.dot.disconnected::before { background: transparent; border: 2px solid var(--disconnected); border-radius: 1px; }
.dot.outside::before { background: var(--outside); }
b.outside { color: var(--outside); }

svg.bar { display: block; width: 100%; height: 6px; border-radius: 3px; background: var(--line); }
rect.approved { fill: var(--approved); }
rect.pending { fill: var(--pending); }
rect.rejected { fill: var(--rejected); }
rect.disconnected { fill: var(--disconnected); }
rect.other { fill: var(--other); }

.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 272px), 1fr)); gap: 12px;
  margin: 0; padding: 0; list-style: none; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; display: flex; flex-direction: column;
  content-visibility: auto; contain-intrinsic-size: auto 172px; break-inside: avoid; }
.tile h3 { margin: 0; overflow-wrap: anywhere; }
.tile a { color: inherit; text-decoration: none; }
.tile a:hover { text-decoration: underline; }
.tile .where { margin: 0 0 12px; color: var(--soft); font-size: 12px; line-height: 1.45; overflow-wrap: anywhere; }
.tile .where code { font-size: 10.5px; }
.tile .counts { display: flex; flex-wrap: wrap; gap: 2px 12px; margin: 8px 0 6px; font-size: 13px; }
.tile .state { list-style: none; margin: auto 0 0; padding: 0; font-size: 13px; }
.state .pending { color: var(--pending); }
.state .outside { color: var(--outside); font-weight: 600; }
.state .unread { color: var(--rejected); font-weight: 600; }
.state .calm { color: var(--soft); }

.scroll { overflow-x: auto; margin: 0 0 12px; }
.scroll.tall { width: fit-content; max-width: 100%; max-height: 78vh; overflow: auto;
  border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding: 0 0 8px; }
th, td { text-align: left; vertical-align: top; padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line);
  font-weight: 400; overflow-wrap: break-word; }
thead th { font-size: 12px; color: var(--soft); border-bottom: 1px solid var(--strong-line); white-space: nowrap;
  vertical-align: bottom; }
tbody th { font-weight: 560; }
th.n, td.n { text-align: right; white-space: nowrap; }
td.more { color: var(--soft); font-style: italic; }
.none { color: var(--soft); }
ul.notes { padding-left: 20px; max-width: 90ch; }

table.bars { max-width: 900px; }
.bars th { white-space: nowrap; width: 1%; }
.bars td.chart { width: 50%; min-width: 140px; vertical-align: middle; }
.bars svg.bar { height: 12px; border-radius: 2px; background: none; }

table.matrix { width: auto; font-size: 13px; border-collapse: separate; border-spacing: 0; }
.matrix caption { padding: 10px 12px; }
.matrix th, .matrix td { padding: 5px 10px; border-right: 1px solid var(--line); white-space: nowrap; }
.matrix thead th, .matrix thead td { position: sticky; top: 0; background: var(--panel); z-index: 1;
  vertical-align: bottom; border-bottom: 1px solid var(--strong-line); }
.matrix tbody th { position: sticky; left: 0; background: var(--panel); font-weight: 500; z-index: 1; }
.matrix thead td { left: 0; z-index: 2; }
.matrix th.up { padding: 10px 6px; }
.matrix th.up > span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block; max-height: 300px; }
.matrix td.sum { font-weight: 600; background: var(--panel); }
.heat1 { background: rgba(var(--heat), 0.07); }
.heat2 { background: rgba(var(--heat), 0.14); }
.heat3 { background: rgba(var(--heat), 0.22); }
.heat4 { background: rgba(var(--heat), 0.32); }
.matrix small { color: var(--text); }
.tag { font-size: 11px; color: var(--soft); border: 1px solid var(--strong-line); border-radius: 3px; padding: 0 4px;
  margin-inline-start: 4px; }

#filter { display: flex; flex-wrap: wrap; gap: 10px 20px; align-items: center; padding: 12px 14px; margin: 0 0 16px;
  background: var(--panel); border-radius: 8px; font-size: 14px; }
#filter[hidden] { display: none; }
#filter fieldset { display: flex; flex-wrap: wrap; gap: 4px 14px; border: 0; margin: 0; padding: 0; }
#filter legend { float: left; padding: 0; margin-right: 14px; }
input[type=search], select, button { font: inherit; color: inherit; background: var(--page);
  border: 1px solid var(--strong-line); border-radius: 5px; padding: 4px 8px; max-width: 100%; }
input[type=search] { width: 17em; }
input[type=checkbox] { accent-color: var(--link); margin: 0 4px 0 0; }
button { cursor: pointer; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; white-space: nowrap; }
th button::after { content: " ↕"; opacity: 0.5; }
th[aria-sort=ascending] button::after { content: " ↑"; opacity: 1; }
th[aria-sort=descending] button::after { content: " ↓"; opacity: 1; }
th[aria-sort] button { color: var(--text); font-weight: 600; }

.records { margin-top: 8px; overflow-wrap: anywhere; }
.records small { font-size: 11px; }
.records thead th { white-space: normal; }
@media screen {
  section { content-visibility: auto; contain-intrinsic-size: auto 900px; }
  .records, .records thead, .records caption { display: block; }
  .records tbody { display: block; content-visibility: auto; contain-intrinsic-size: auto 2900px; }
  .records tr { display: grid; gap: 0 16px; border-bottom: 1px solid var(--line); }
  .records thead { position: sticky; top: 0; z-index: 1; background: var(--page); }
  .records thead tr { border-color: var(--strong-line); }
  .records th, .records td { border: 0; padding: 7px 0; min-width: 0; }
  .with6 tr { grid-template-columns: 19fr 13fr 10fr 8fr 19fr 31fr; }
  .with7 tr { grid-template-columns: 19fr 13fr 10fr 8fr 19fr 16fr 15fr; }
  .with8 tr { grid-template-columns: 11fr 13fr 7fr 19fr 10fr 9fr 17fr 14fr; }
  :where(#connection-table).with8 tr { grid-template-columns: 17fr 12fr 10fr 7fr 16fr 14fr 12fr 12fr; }
  .records tbody tr:hover { background: var(--panel); }
}
.said { white-space: pre-line; }

dl.words { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 16px 40px;
  margin: 12px 0 0; }
dl.words dt { font-weight: 600; }
dl.words dd { margin: 2px 0 0; color: var(--soft); }

@media screen and (max-width: 720px) {
  body { font-size: 16px; }
  main { padding: 24px 16px 56px; }
  h1 { font-size: 25px; }
  section { margin-top: 44px; }
  .figure { flex-basis: 44%; }
  .tiles { grid-template-columns: 1fr; }
  #filter .words, input[type=search] { width: 100%; }
}
@media screen and (max-width: 980px) {
  .records thead { position: static; }
  .records thead tr { display: flex; flex-wrap: wrap; gap: 4px 16px; padding-bottom: 8px; }
  .records thead th { padding: 4px 0; }
  .records tbody tr { grid-template-columns: 1fr auto; gap: 4px 16px; padding: 12px 0; }
  .records tbody th, .records tbody td { padding: 0; text-align: left; }
  .records tbody td:empty { display: none; }
  #connection-table tbody th { grid-area: 1 / 1; }
  #connection-table tbody td:nth-child(2) { grid-area: 2 / 1; }
  #connection-table tbody td:nth-child(3) { grid-area: 1 / 2; text-align: right; }
  #connection-table tbody td:nth-child(4) { grid-area: 2 / 2; text-align: right; }
  #connection-table tbody td:nth-child(n+5), #write-table tbody :is(th, td) { grid-column: 1 / -1; }
  #connection-table tbody td:nth-child(5):not(:empty)::before { content: "Private endpoint: "; color: var(--soft); }
  #connection-table .recorded:not(:empty)::before { content: "Journal: "; color: var(--soft); }
  #connection-table .ruled:not(:empty)::before { content: "Rules: "; color: var(--soft); }
}

@media print {
  @page { margin: 14mm; size: A4 landscape; }
  body { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  nav, .skip, #filter, .notice a { display: none; }
  section { margin-top: 24pt; }
  h2, h3, caption { break-after: avoid; }
  .tile { content-visibility: visible; }
  .scroll, .scroll.tall { overflow: visible; max-height: none; border: 0; }
  .matrix thead th, .matrix thead td, .matrix tbody th { position: static; }
  table { font-size: 8.5pt; }
  table.matrix, .matrix small, .matrix thead th { font-size: 8pt; }
  .matrix th, .matrix td, .matrix th.up { padding: 2px 5px; }
  .matrix .dot::before { width: 5px; height: 5px; border-width: 1px !important; margin-right: 2px; }
  .records { table-layout: fixed; }
  .records small { font-size: 7pt; }
  #connection-table th:nth-child(1), #connection-table th:nth-child(5), #write-table th:nth-child(4) { width: 20%; }
  #connection-table th:nth-child(2), #write-table th:nth-child(2) { width: 13%; }
  #connection-table th:nth-child(3), #write-table th:nth-child(1) { width: 11%; }
  #connection-table th:nth-child(4), #write-table th:nth-child(3) { width: 8%; }
  #connection-table.with8 th:is(:nth-child(1), :nth-child(5)) { width: 16%; }
  thead { display: table-header-group; }
  tr, .tile, .figure { break-inside: avoid; }
  th button::after { content: none !important; }
  svg.bar, .dot::before, .heat1, .heat2, .heat3, .heat4, .notice { print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  .tiles { grid-template-columns: repeat(4, 1fr); gap: 6pt; }
  a { color: inherit; text-decoration: none; }
}
]]
