"""The HTML of a page: escaped text, tables, bars, pictures, sound; everything inside one file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:0 auto;padding:1.5rem;color:#222;background:#fff}
h1{margin:0}h2{border-bottom:2px solid #2a5d9f;padding-bottom:.2rem;margin-top:2.5rem}h3{margin:1.6rem 0 .4rem}
.path{color:#666;margin:.1rem 0 .6rem;overflow-wrap:anywhere}.note{color:#7a4b00;margin:.3rem 0}nav{margin:.8rem 0}a{color:#2a5d9f}
table{border-collapse:collapse;margin:.6rem 0}th,td{padding:.15rem .7rem .15rem 0;text-align:left;vertical-align:baseline}
th{border-bottom:1px solid #999;font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.75em;background:#2a5d9f}.odd{background:#c8741a}td.w{width:14rem}td,h1,h3,summary,figcaption{overflow-wrap:anywhere}
td.n,th{overflow-wrap:normal;white-space:nowrap}
img{max-width:100%;height:auto;display:block}.row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:.85em;color:#444}
ul{margin:.3rem 0;padding-left:1.2rem}li{overflow-wrap:anywhere}audio{height:2.2rem;max-width:100%}.ok{color:#2c7a3f}
details{margin:.5rem 0}summary{cursor:pointer}footer{margin-top:3rem;color:#666;font-size:.85em}
"""
# What a browser may load for a page: what is inside it, and no script even if one got in.
ALLOWED = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def fact(text: str, *values: object) -> str:
    """`text` with `values` of any origin in bold in the places of its ``{}``."""
    return text.format(*(f"<b>{shown(str(value))}</b>" for value in values))


def shown(text: str) -> str:
    """Text from outside, safe in HTML also where a file name is not valid Unicode."""
    return escape(text.encode("utf-8", "replace").decode()) or "(unlabelled)"


def link(text: str, address: str) -> str:
    """`text` as a link, or alone where there is no address."""
    return f'<a href="{escape(address)}">{shown(text)}</a>' if address else shown(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a row is a sequence of cells such as :func:`number` makes; heads that start with "#" are of numbers."""
    head = "".join(f"<th class=n>{h[1:]}</th>" if h.startswith("#") else f"<th>{h}</th>" for h in heads)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows) + "</table>"


def number(text: str) -> str:
    """A cell with its text at the right."""
    return f"<td class=n>{escape(text)}</td>"


def bar(fraction: float, kind: str = "") -> str:
    """A cell with a bar of length `fraction` (0 to 1)."""
    return f'<td class=w><span class="bar {kind}" style="width:{100 * fraction:.1f}%"></span></td>'


def figure(png: bytes, alt: str) -> str:
    """A picture inside the page."""
    return f'<figure><img src="data:image/png;base64,{_base64(png)}" alt="{shown(alt)}"></figure>'


def player(wav: bytes, caption: str) -> str:
    """A sound inside the page, with a caption in HTML."""
    sound = f'<audio controls preload="metadata" src="data:audio/wav;base64,{_base64(wav)}"></audio>'
    return f"<figure>{sound}<figcaption>{caption}</figcaption></figure>"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
