"""``python -m nasvit_mm.cli COMMAND ...``, where the console command is not installed."""

from nasvit_mm.cli import main

if __name__ == '__main__':
    main()
