"""Tables in the terminal: one look for all, and no name that fills the screen."""

from typing import final

from rich import box
from rich.console import RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from ._output import LONGEST, shortened


@final
class ResultTable(Table):
    """A table of results; of longer cells the middle is left out.

    Args:
        box: lines between its parts; those under the head when left out, None for none.
        header_style: of its head.
        longest: letters of a cell that are shown.
    """

    def __init__(
        self,
        *,
        box: box.Box | None = box.SIMPLE_HEAD,
        header_style: StyleType = "",
        longest: int = LONGEST,
    ) -> None:
        super().__init__(box=box, pad_edge=False, header_style=header_style)
        self.longest = longest

    def add_row(
        self,
        *renderables: RenderableType | None,
        style: StyleType | None = None,
        end_section: bool = False,
    ) -> None:
        """Add a row.

        Args:
            renderables: its cells, texts.
            style: of the row.
            end_section: whether a line follows.
        """
        cells = (self._short(cell) for cell in renderables)
        super().add_row(*cells, style=style, end_section=end_section)

    def _short(self, cell: RenderableType | None) -> RenderableType | None:
        if isinstance(cell, str):
            return shortened(cell, most=self.longest)
        if isinstance(cell, Text) and len(cell.plain) > self.longest:
            half = self.longest // 2
            return Text.assemble(cell[:half], " … ", cell[-half:])
        return cell
