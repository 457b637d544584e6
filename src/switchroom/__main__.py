"""``python -m switchroom``."""

from switchroom.cli import main

if __name__ == "__main__":
    main()
