"""HTML pages from templates: one style, one script, nothing from outside, everything escaped."""

from __future__ import annotations

import importlib.resources
from typing import Any

import jinja2
from markupsafe import Markup

from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.charts.canvas import marker
from robust_vos_bench.reports.style import COLOURS, DARK_COLOURS, DISTINCT


def template_text(name: str) -> str:
    """A file of the folder `templates`."""
    return importlib.resources.files("robust_vos_bench.reports").joinpath("templates", name).read_text(encoding="utf-8")


def render_page(template: str, **content: Any) -> str:
    """One page. Everything that content says (names, errors, commands) is escaped; only our own SVG is not."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("robust_vos_bench.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["points"] = lambda v: points(float(v))
    environment.globals |= {
        "css": Markup(page_css()),
        "script": Markup(template_text("page.js")),
        "swatch": swatch,
        "distinct": DISTINCT,
    }
    return environment.get_template(template).render(**content)


def page_css() -> str:
    """The style of all pages, with the colours of models for either background."""
    return (
        template_text("page.css")
        .replace("/*light*/", _variables(COLOURS))
        .replace("/*dark*/", _variables(DARK_COLOURS))
    )


def swatch(place: int) -> Markup:
    """The marker of a model in the order of the tables, as it stands before its name."""
    svg = Markup('<svg class="swatch" width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true">{}</svg>')
    return svg.format(marker(place, 0, 0, 4.2))


def _variables(colours: tuple[str, ...]) -> str:
    return " ".join(f"--c{i}: {colour};" for i, colour in enumerate(colours))
