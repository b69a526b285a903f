"""`rvos-bench doctor`: what this machine has, and what to do about what it lacks."""

from __future__ import annotations

import json

import click

from robust_vos_bench.cli.options import json_option


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@json_option()
def command(as_json: bool) -> None:
    """Show versions, devices, extras, folders and disk space."""
    from robust_vos_bench.api.doctor import diagnose

    facts = diagnose()
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        click.echo(f"{name}:")
        for key, text in value.items():
            click.echo(f"  {key:24} {text}")
