"""LaTeX to MathML that is safe to put into a page: known elements only, everything else shown as escaped source."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from html import escape
from xml.etree import ElementTree

from latex2mathml.converter import convert

__all__ = ["mathml"]

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ELEMENTS = frozenset(
    {"math", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mroot", "mrow", "mspace", "msqrt", "mstyle", "msub"}
    | {"msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover"}
)
ATTRIBUTES = frozenset(
    {"columnalign", "columnspacing", "display", "displaystyle", "fence", "form", "linethickness", "lspace"}
    | {"mathvariant", "maxsize", "minsize", "movablelimits", "rowspacing", "rspace", "stretchy", "width"}
)
BARS = frozenset({"|", "‖", "∥"})
"""Norms: browsers stretch them to whatever stands beside them unless told not to."""
FUNCTIONS = frozenset({"log", "exp", "cos", "sin", "tan", "max", "min", "rank"})


@lru_cache(maxsize=4096)
def mathml(latex: str, block: bool = True) -> str:
    r"""MathML of a formula; escaped source in ``<code>`` when it cannot be rendered safely.

    Parameters
    ----------
    latex : formula without dollar signs.
    block : displayed on its own line, or inline.

    Examples
    --------
    >>> "<msqrt>" in mathml(r"\sqrt{n}")
    True
    >>> mathml(r"\text{<script>alert(1)</script>}")
    '<code class="latex">\\text{&lt;script&gt;alert(1)&lt;/script&gt;}</code>'
    """
    try:
        root = ElementTree.fromstring(convert(latex, display="block" if block else "inline"))
        _clean(root)
    except Exception:  # a formula that does not parse must not cost the report: its source is shown instead
        return f'<code class="latex">{escape(latex)}</code>'
    ElementTree.register_namespace("", NAMESPACE)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element) -> None:
    """Keep known attributes, refuse unknown elements, make arrows and function names operators."""
    name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    if name not in ELEMENTS:
        raise ValueError(f"element {name} is not allowed")
    for attribute in set(element.attrib) - ATTRIBUTES:
        del element.attrib[attribute]
    text = element.text or ""
    if name == "mi" and len(text) == 1 and "ARROW" in unicodedata.name(text, ""):
        element.tag = f"{{{NAMESPACE}}}mo"
    if text in BARS:
        element.tag = f"{{{NAMESPACE}}}mo"
        element.attrib["stretchy"] = "false"
    if text in FUNCTIONS:
        element.tag = f"{{{NAMESPACE}}}mo"
        element.attrib |= {"lspace": "0.167em", "rspace": "0.11em"}
    for child in element:
        _clean(child)
