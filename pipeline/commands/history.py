"""What `farelite history` does: writes a page of all runs, or prints them as JSON."""

from __future__ import annotations

from rich.markup import escape

from configs.errors import UserError
from pipeline.commands.operations import opened
from pipeline.local import terminal
from pipeline.options import print_json


def run(directory: str, as_json: bool) -> None:
  """Writes `history.html` into an output directory and prints where it is; or prints all of it and writes nothing.

  Raises: UserError: it is no output directory of a run, its store can't be used, or the page can't be written.
  """
  config, output, store = opened(directory)
  terminal.prepare()
  with terminal.captured() as console:
    from pipeline.report.history import read_history
    from pipeline.report.history_page import history_page, write_history

    found = read_history(store, config, output)
    if as_json:
      listed = found.model_dump(mode='json')
    else:
      try:
        page = write_history(output, found)
      except OSError as error:
        raise UserError(f"The history of '{directory}' can't be written: {error.strerror or error}.") from error
      shown = history_page(found)
      console.print(f'[bold]{escape(shown.title)}[/]')
      for sentence in (*shown.sentences, *found.unreadable):
        console.print(escape(sentence), soft_wrap=True)
      console.print(f'[dim]history[/]  {escape(str(page))} ({page.stat().st_size / 1000:,.0f} KB)', soft_wrap=True)
  if as_json:
    print_json(listed)
