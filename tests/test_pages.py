"""The README and the pages of docs/: short enough, and what they point to is there."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.conftest import REPOSITORY
from tests.pipeline.command_lines import parsed

README = REPOSITORY / 'README.md'
PAGES = [README, REPOSITORY / 'CONTRIBUTING.md', *sorted((REPOSITORY / 'docs').glob('*.md'))]
LONGEST = 240
"""Lines of a README that is read to its end."""


def test_the_readme_is_short():
  assert len(README.read_text(encoding='utf-8').splitlines()) <= LONGEST


def _anchors(page: pathlib.Path) -> set[str]:
  """The anchors of a page's headings, as GitHub makes them."""
  headings = re.findall(r'^#+ (.+)$', page.read_text(encoding='utf-8'), re.MULTILINE)
  return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
  missing = []
  for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8')):
    path, _, anchor = link.partition('#')
    if '://' in link:
      continue
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or (anchor and target.suffix == '.md' and anchor not in _anchors(target)):
      missing.append(link)
  assert missing == []


def _commands() -> list[str]:
  lines = re.findall(r'^(?:\$ |\.venv/bin/)?farelite (.+)$', _joined(README), re.MULTILINE)
  return [line for line in lines if not line.startswith('&&')]


def _joined(page: pathlib.Path) -> str:
  return page.read_text(encoding='utf-8').replace('\\\n', ' ')


@pytest.mark.parametrize('line', _commands())
def test_a_command_of_the_readme_can_be_given(line: str):
  """Oracle: click's own parser."""
  parsed(line)


def test_the_readme_has_commands():
  assert len(_commands()) > 15
