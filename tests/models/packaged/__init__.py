"""Models whose networks come from PyPI packages (extras `cutie` and `hf`)."""

INSTALL = "needs the extras: pip install -c constraints.txt -e '.[cutie,hf]'"
