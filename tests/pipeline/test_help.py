"""What the command line says of itself: examples that work, and settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.examples import EXAMPLES
from tests.pipeline.command_lines import parsed


def _commands(group: click.Group, words: str = '') -> Iterator[tuple[str, click.Command]]:
  yield words, group
  for name, command in group.commands.items():
    below = f'{words} {name}'.strip()
    if isinstance(command, click.Group):
      yield from _commands(command, below)
    else:
      yield below, command


COMMANDS = dict(_commands(main))


def test_every_command_has_an_example():
  assert {*EXAMPLES} == {*COMMANDS}


@pytest.mark.parametrize(
  ('words', 'line'), [(words, example.line) for words, examples in EXAMPLES.items() for example in examples]
)
def test_an_example_is_a_command_line(words: str, line: str):
  """Oracle: click's own parser, which refuses options that a command lacks, and values that can't be."""
  command = parsed(line)
  assert command in (COMMANDS[words], *getattr(COMMANDS[words], 'commands', {}).values())


@pytest.mark.parametrize('words', COMMANDS)
def test_help_ends_with_the_examples(words: str):
  text = CliRunner().invoke(main, [*words.split(), '--help']).output
  _, _, examples = text.partition('\nExamples:\n')
  assert [f'  farelite {one.line}' in examples.splitlines() for one in EXAMPLES[words]] == [True] * len(EXAMPLES[words])


@pytest.mark.parametrize(
  ('arguments', 'lines'),
  [
    pytest.param(['training.epochs'], ['default  40'], id='setting'),
    pytest.param(['training.epochs', '--config', 'nyc-small'], ['default  40', 'value    80'], id='with_a_config'),
    pytest.param(['training.epochs', '--set', 'training.epochs=7'], ['value    7'], id='with_an_override'),
    pytest.param(['dataset.places.zones', '--config', 'nyc'], ['value    null'], id='below_null'),
    pytest.param(['dataset.city.landmarks'], ['type     a list of sections'], id='list'),
  ],
)
def test_a_setting_is_shown(arguments: list[str], lines: list[str]):
  shown = CliRunner().invoke(main, ['config', 'show', *arguments])
  assert shown.exit_code == 0
  assert [line for line in lines if line in shown.output.splitlines()] == lines


def test_nothing_is_said_beside_the_answer():
  """Oracle: standard error of a process of its own, where libraries warn."""
  command = [sys.executable, '-m', 'pipeline', 'config', 'show', 'training.epochs']
  assert subprocess.run(command, capture_output=True, text=True).stderr == ''


def test_a_pipe_gets_a_setting_and_its_whole_meaning_on_one_line():
  shown = CliRunner().invoke(main, ['config', 'show', 'compression.budget'])
  [line] = [line for line in shown.output.splitlines() if line.startswith('compression.budget.judged_on')]
  assert line.rstrip().endswith('What is held against the limits: the ratios, or an end of their 95 % intervals.')


def test_a_section_lists_its_keys():
  shown = CliRunner().invoke(main, ['config', 'show', 'split', '--json', '--config', 'nyc'])
  assert {one['key']: one['value'] for one in json.loads(shown.output)} == {
    'split.method': 'hash', 'split.eval_share': 0.2, 'split.seed': 0,
  }  # fmt: skip


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    pytest.param(['training.epochz'], "There is no setting 'training.epochz'. Did you mean", id='unknown'),
    pytest.param(['dataset.extras[].name', '--config', 'nyc'], 'is in each item of dataset.extras', id='in_a_list'),
    pytest.param(['--markdown', '--json'], '--json has no effect with --markdown', id='idle'),
  ],
)
def test_a_mistake(arguments: list[str], message: str):
  shown = CliRunner().invoke(main, ['config', 'show', *arguments])
  assert shown.exit_code == 2
  assert message in shown.output


def test_the_schema_is_written(tmp_path):
  done = CliRunner().invoke(main, ['config', 'schema', '--output', str(tmp_path / 's.json')])
  assert f'# yaml-language-server: $schema={tmp_path}/s.json' in done.output
  assert 'training' in json.loads((tmp_path / 's.json').read_text())['properties']


@pytest.mark.parametrize(
  ('typed', 'offered'),
  [('ret', ['retrain']), ('config s', ['schema', 'show']), ('run --w', ['--wait', '--window'])],
)
def test_completion(typed: str, offered: list[str]):
  """Oracle: what bash asks by the script that docs/setup.md has it read."""
  words = f'farelite {typed}'
  asked = {'_FARELITE_COMPLETE': 'bash_complete', 'COMP_WORDS': words, 'COMP_CWORD': str(words.count(' '))}
  program = "from pipeline.cli import main; main(prog_name='farelite')"
  done = subprocess.run([sys.executable, '-c', program], env=os.environ | asked, capture_output=True, text=True)
  assert sorted(line.partition(',')[2] for line in done.stdout.splitlines()) == offered
