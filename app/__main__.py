"""`python -m app` is `namesake`: for processes that must not depend on where that program is."""

from app.cli import main

main()
