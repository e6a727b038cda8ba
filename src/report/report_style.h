/* SPDX-License-Identifier: Apache-2.0
 *
 * The style sheet of a report: two palettes, chosen by the reader's system; nothing is fetched. */
#ifndef HONE_REPORT_STYLE_H
#define HONE_REPORT_STYLE_H

static const char report_style[] =
    ":root{color-scheme:light dark;--paper:#fbfbfa;--card:#fff;--ink:#1d2129;--pale:#667085;--line:#e3e5e8;"
    "--accent:#2f6fde;--warm:#d9622b;--s2:#d9622b;--s3:#2c9a5c;--s4:#8b5cd6;--s5:#b7860b;--s6:#c2417c}"
    "@media(prefers-color-scheme:dark){:root{--paper:#14161a;--card:#1d2026;--ink:#e8eaed;--pale:#9aa3b2;"
    "--line:#30343c;--accent:#7aa7ff;--warm:#ff9a62;--s2:#ff9a62;--s3:#5fd394;--s4:#b79bff;--s5:#e8c15a;"
    "--s6:#ff8fbd}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,"
    "'Noto Sans','Noto Sans CJK SC',sans-serif}"
    "main{max-width:1100px;margin:0 auto;padding:28px 20px 60px}"
    "h1{font-size:28px;line-height:1.2;margin:0 0 4px}h2{font-size:20px;margin:40px 0 8px;padding-top:8px}"
    "h2 a{color:inherit;text-decoration:none}p{margin:6px 0 12px;max-width:75ch}"
    ".pale,.note{color:var(--pale)}.note{font-size:13px}"
    "a{color:var(--accent)}"
    ".facts{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}"
    ".fact{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 18px;min-width:130px}"
    ".fact b{display:block;font-size:24px;line-height:1.25;font-variant-numeric:tabular-nums}"
    ".fact span{color:var(--pale);font-size:13px}"
    ".scroll{overflow-x:auto;margin:10px 0 18px}"
    "table{border-collapse:collapse;background:var(--card);border:1px solid var(--line);"
    "font-variant-numeric:tabular-nums}"
    "th,td{padding:5px 12px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}"
    "th{font-weight:600;color:var(--pale);font-size:13px;white-space:nowrap}"
    "td.n,th.n{text-align:right}tr:last-child td{border-bottom:0}"
    ".matrix td,.matrix th{padding:4px 8px;text-align:right;font-size:13px;border:1px solid var(--line)}"
    ".matrix td.o{background:color-mix(in srgb,var(--warm) calc(var(--v)*1%),var(--card))}"
    ".matrix td.d{background:color-mix(in srgb,var(--accent) calc(var(--v)*.5%),var(--card))}"
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:12px 0 20px}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px;overflow:hidden;"
    "break-inside:avoid}"
    ".card.two{grid-column:span 2}.pictures{display:flex;gap:8px;justify-content:center;align-items:center;"
    "min-height:112px;margin-bottom:8px}"
    ".pictures img{max-width:100%;max-height:112px;border-radius:4px;background:#8883}.two img{max-width:48%}"
    ".pictures img.tiny{image-rendering:pixelated;height:112px}"
    ".missing{width:112px;height:112px;border-radius:4px;border:1px dashed var(--line);color:var(--pale);"
    "display:flex;align-items:center;justify-content:center;font-size:12px}"
    ".card b{display:block;font-size:14px;line-height:1.3}.card span{display:block;font-size:12px;line-height:1.35;"
    "overflow-wrap:anywhere}"
    ".chart{display:block;max-width:100%;height:auto;margin:8px 0 18px}"
    ".chart text{fill:var(--ink);font:12px system-ui,sans-serif}.chart .p{fill:var(--pale)}"
    ".chart .b{fill:var(--accent)}.chart .g{stroke:var(--line)}"
    ".chart .l{fill:none;stroke-width:2;stroke-linejoin:round}"
    "nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:14px 0;font-size:14px}"
    "@media print{body{background:#fff}.card,.fact{border-color:#ccc}}";

#endif
