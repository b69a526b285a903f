"""Models whose networks come from PyPI packages (extras `cutie` and `sam2`)."""

INSTALL = "needs the extras: pip install -c constraints.txt -e '.[cutie,sam2]'"
