"""`rvos-bench leaderboard`: pages from run directories and packed results."""

from __future__ import annotations

from pathlib import Path

import click

from robust_vos_bench.cli.options import UserPath, json_option, opened_option


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  rvos-bench leaderboard rvos-results/labelprop-*\n"
    "  rvos-bench leaderboard mymodel.json.gz --output leaderboards\n"
    "  rvos-bench leaderboard attacked/scores    boards of attacks, of the splits beside it\n"
    "  rvos-bench leaderboard            write every page again from leaderboards/results\n"
    "  rvos-bench leaderboard --site     and static HTML pages: open leaderboards/site/index.html",
)
@click.argument("runs", nargs=-1, type=UserPath(exists=True))
@click.option(
    "-o",
    "--output",
    type=UserPath(file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder of the leaderboards.",
)
@click.option("--joint", is_flag=True, help="One page of all RUNS, on the videos and conditions that they share.")
@click.option("--site", is_flag=True, help="Write static HTML pages too, to OUTPUT/site.")
@click.option(
    "--attacked",
    type=UserPath(exists=True, file_okay=False),
    multiple=True,
    help="Folder of the stored splits that RUNS scored; repeatable. [default: the folder that a run lies in]",
)
@click.option("--maker", default="", help="Who made the stored splits, as the page shall name them.")
@click.option("--data-root", type=UserPath(exists=True), help="Folder of the data, for the audit of stored splits.")
@opened_option("How the data is opened, for that audit")
@json_option()
def command(
    runs: tuple[Path, ...],
    output: Path,
    joint: bool,
    site: bool,
    attacked: tuple[Path, ...],
    maker: str,
    data_root: Path | None,
    dataset: str | None,
    as_json: bool,
) -> None:
    """Add RUNS (run directories or packed results) to the leaderboards and write the pages.

    One page per data set and preset, with an index. Results of other versions are refused, not mixed; untrained recipe
    weights are refused; missing cells are shown as missing. --joint makes one page of runs that differ in videos or
    conditions, and says what it leaves out. --site makes pages to sort and filter, which work
    from a folder or any web server.

    Runs of stored splits (`rvos-bench attack`) get pages of their own, one per data set and threat, after an audit of
    every split. A split from anybody can only lower a row there.
    """
    from robust_vos_bench.api.share import leaderboard
    from robust_vos_bench.attacks.board_sheet import board_data
    from robust_vos_bench.attacks.leaderboard import AttackPage
    from robust_vos_bench.reports.data import page_data
    from robust_vos_bench.system.json import to_json

    pages = leaderboard(
        *runs,
        output=output,
        joint=joint,
        site=site,
        attacked=attacked,
        maker=maker,
        data_root=data_root,
        progress=True,
        dataset=dataset,
    )
    if as_json:
        click.echo(to_json([board_data(p) if isinstance(p, AttackPage) else page_data(p) for p in pages]))
        return
    from robust_vos_bench.analysis.words import plural

    for page in pages:
        click.echo(f"{output / (page.name + '.md')}: {plural(len(page.rows), 'model')}")
        for text in () if isinstance(page, AttackPage) else page.left_out:
            click.echo(text, err=True)
    click.echo(f"{output / 'README.md'}: index", err=True)
    if site:
        click.echo(f"{output / 'site' / 'index.html'}: site", err=True)
