"""What a terminal shows, as a picture: text in SVG that needs no font and nothing else of the network."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def save(path: Path, title: str, shown: str, columns: int) -> None:
    """Write what was drawn by escape sequences as SVG."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in shown.rstrip().splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", soft_wrap=False)
    # The identifier would be another one each time.
    picture = console.export_svg(title=title, unique_id="shown")
    path.write_text(FONT.sub("", picture).replace("Fira Code", "ui-monospace"))
