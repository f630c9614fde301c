"""The look of mails. Mail programs drop style sheets, so every element carries its own style, put there when the
mail is rendered; templates write plain elements and the few classes named here."""

import re

SANS = "'Helvetica Neue',Arial,sans-serif"
SERIF = "'Times New Roman',Times,serif"
MONO = "Menlo,Consolas,monospace"

STYLES = {
    "h1": f"margin:0 0 14px;font:400 32px/1.12 {SERIF};color:#14191b;letter-spacing:-.4px",
    "h2": f"margin:24px 0 6px;font:700 16px/1.5 {SANS};color:#14191b",
    "p": "margin:0 0 18px",
    "p.quiet": "margin:0 0 22px;color:#4b565a;font-size:14px",
    "p.link": f"margin:0 0 22px;font:400 15px/1.5 {MONO};word-break:break-all",
    "p.code": f"margin:0 0 22px;font:400 32px/1.2 {MONO};letter-spacing:4px",
    "ul": "margin:0 0 24px;padding-left:20px",
    "li": "margin:0 0 4px",
    "a": "color:#00586e",
    "a.btn": "display:inline-block;background:#00586e;color:#ffffff;text-decoration:none;font-weight:bold;"
    "font-size:15px;line-height:1.2;padding:12px 20px;border-radius:2px",
    "table.facts": "width:100%;margin:0 0 24px;border-collapse:collapse;border-top:2px solid #14191b;color:#14191b;"
    f"font:400 14px/1.4 {SANS}",
    "th": "border-top:2px solid #14191b;border-bottom:1px solid #14191b;padding:7px 0;text-align:left",
    "th.num": "border-top:2px solid #14191b;border-bottom:1px solid #14191b;padding:7px 0 7px 14px;text-align:right",
    "td": "border-bottom:1px solid #d5dcde;padding:7px 0;text-align:left;vertical-align:top",
    "td.num": "border-bottom:1px solid #d5dcde;padding:7px 0 7px 14px;text-align:right;vertical-align:top",
    "td.last": "border-bottom:2px solid #14191b;padding:7px 0;text-align:left;vertical-align:top",
    "td.num last": "border-bottom:2px solid #14191b;padding:7px 0 7px 14px;text-align:right;vertical-align:top",
    "blockquote": "margin:0 0 18px;padding:0 0 0 14px;border-left:2px solid #14191b",
}
# What the dark scheme in mails/base.html recolours, by element.
CLASSES = {
    "h1": "h1 ink",
    "h2": "ink",
    "a": "link",
    "table": "ink rule",
    "th": "rule",
    "td": "rule",
    "blockquote": "rule",
}
TAG = re.compile(r"<(h1|h2|p|ul|li|a|table|th|td|blockquote)((?:\s[^<>]*)?)>")


def with_styles(html: str) -> str:
    return TAG.sub(_with_style, html)


def _with_style(match: re.Match[str]) -> str:
    tag, attributes = match.groups()
    if "style=" in attributes:
        return match[0]
    found = re.search(r'\sclass="([^"]*)"', attributes)
    named = found[1] if found else ""
    style = STYLES.get(f"{tag}.{named}") or STYLES.get(tag)
    if style is None:
        return match[0]
    rest = attributes.replace(found[0], "") if found else attributes
    classes = " ".join(dict.fromkeys([*named.split(), *([] if named == "btn" else CLASSES.get(tag, "").split())]))
    shown = f' class="{classes}"' if classes else ""
    return f'<{tag}{rest}{shown} style="{style}">'
