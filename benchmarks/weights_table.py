"""Write the table of weights in docs/models.md from the models' cards: python benchmarks/weights_table.py."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from robust_vos_bench.fetch import Link
from robust_vos_bench.models.registry import builtin_entries

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
START, END = "<!-- weights:start -->", "<!-- weights:end -->"


HOSTS = {"drive.google.com": "Google Drive", "github.com": "GitHub", "huggingface.co": "Hugging Face"}


def _link(link: Link) -> str:
    host = urlsplit(link.address).netloc
    return f"[{HOSTS.get(host, host)}]({link.address})"


def table() -> str:
    """One row a file, in the order of the families; files that are part of the package are left out."""
    rows: dict[tuple[str, str], list[str]] = {}
    cells: dict[tuple[str, str], tuple[str, str, str]] = {}
    for entry in builtin_entries().values():
        card = entry.card
        for weights in (*card.weights, *card.also):
            if ".lite" in card.name:
                continue
            key = (card.family, weights.file)
            rows.setdefault(key, []).append(f"`{entry.name}`")
            source = " or ".join(map(_link, weights.links)) or weights.where.split(": ")[0]
            digest = ", md5 given" if weights.md5 else ", sha256 given" if weights.sha256 else ""
            way = f"{weights.way}, then converted" if weights.original else weights.way
            cells[key] = (f"{way}{digest}", card.license_of(weights), source)
    lines = ["| file | models | how | licence | where |", "|---|---|---|---|---|"]
    for (_, file), names in rows.items():
        how, licence, source = cells[_, file]
        lines.append(f"| `{file}` | {', '.join(names)} | {how} | {licence} | {source} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the table as the cards are now."""
    before, rest = page.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
