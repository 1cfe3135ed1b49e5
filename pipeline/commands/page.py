"""What `farelite page` does: writes the page of a model, and prints where it is."""

from __future__ import annotations

from rich.markup import escape

from configs.errors import UserError
from pipeline.local import terminal


def run(model: str, output: str, server: str | None = None) -> None:
  """Writes the page of a pushed version; arguments as of the command line.

  Raises `UserError` where it can't be made or written.
  """
  terminal.prepare()
  with terminal.captured() as console:
    from pipeline.report.fare_page import write_fare_page

    try:
      page = write_fare_page(model, output, server)
    except OSError as error:
      raise UserError(f"The page '{output}' can't be written: {error.strerror or error}.") from error
    console.print(f'[dim]page[/]  {escape(str(page))} ({page.stat().st_size / 1e6:,.1f} MB)', soft_wrap=True)
