"""One handler for all commands: what a user can fix is one sentence, and the exit code says whose it is."""

import ast
import errno
import importlib
import inspect
import json
import pathlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import click
import ml_metadata as mlmd
import pytest
import tensorflow as tf
import yaml
from click.testing import CliRunner, Result

import pipeline
from configs import errors as tree
from configs.errors import FailedError, FareliteError, UserError
from pipeline.cli import main
from pipeline.errors import message_and_exit_code

_ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
_FOLDER = pathlib.Path(pipeline.__file__).parent


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
  for name, command in group.commands.items():
    if isinstance(command, click.Group):
      yield from _commands(command, (*path, name))
    else:
      yield (*path, name), command


_ALL = dict(_commands(main))


def _arguments(command: click.Command) -> list[str]:
  """What click asks for at least."""
  found = []
  for parameter in command.params:
    if not parameter.required:
      continue
    choices = getattr(parameter.type, 'choices', None)
    found += [parameter.opts[0]] if isinstance(parameter, click.Option) else []
    found += [choices[0] if choices else 'x']
  return found


def _load_what_it_imports(callback: Callable[..., Any]) -> None:
  for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(callback))))):
    if isinstance(node, ast.ImportFrom):
      importlib.import_module(str(node.module))
      for name in node.names:
        if not hasattr(sys.modules[str(node.module)], name.name):
          importlib.import_module(f'{node.module}.{name.name}')


def _run_raising(path: tuple[str, ...], error: BaseException) -> Result:
  """Runs a command; the first function of a room that it calls, beside the command line's own, raises."""
  command = _ALL[path]
  callback = inspect.unwrap(command.callback)
  _load_what_it_imports(callback)
  own = {callback.__module__, 'pipeline.options'}

  def raising(frame: Any, event: str, argument: Any) -> None:
    module = frame.f_globals.get('__name__', '')
    called = event == 'call' and frame.f_back is not None and frame.f_back.f_code is callback.__code__
    if called and module.split('.')[0] in _ROOMS and module not in own and frame.f_code.co_name != '<module>':
      sys.setprofile(None)
      raise error

  sys.setprofile(raising)
  try:
    return CliRunner().invoke(main, [*path, *_arguments(command)])
  finally:
    sys.setprofile(None)


@pytest.mark.parametrize('path', _ALL, ids=' '.join)
def test_every_command_prints_one_sentence(path):
  """A new command is a new case of this test."""
  for error, line, code in (
    (UserError('A mistake of yours.', 'Fix it.'), 'Error: A mistake of yours. Fix it.', 2),
    (FailedError('It failed.'), 'Error: It failed.', 1),
    (PermissionError(errno.EACCES, 'Permission denied', '/a'), None, 2),
    (KeyboardInterrupt(), '\nInterrupted; what was finished is kept.', 130),
  ):
    result = _run_raising(path, error)
    assert isinstance(result.exception, SystemExit), f'{error!r} was not raised, or not handled: {result.exception!r}'
    assert result.exit_code == code
    assert result.stdout == ''
    assert result.stderr == f'{line or "Error: " + _PERMISSION}\n'


_PERMISSION = "'/a' is not open to this user. Fix its rights, or name another place."


def test_a_fault_of_the_program_keeps_its_traceback():
  error = ValueError('a fault')
  assert _run_raising(('features',), error).exception is error


def test_every_error_of_the_tree_is_printed():
  """Oracle: the branch's exit code; the drawing is held to the classes by `tests/configs/test_errors.py`."""
  for branch, code in ((UserError, 2), (FailedError, 1)):
    kind = type('OfABranchError', (branch,), {})
    assert message_and_exit_code(kind('What.', 'Fix.')) == ('Error: What. Fix.', code)
  assert issubclass(tree.UserError, FareliteError)


def _raised(action: Callable[[], Any]) -> Exception:
  with pytest.raises(Exception) as caught:
    action()
  return caught.value


@pytest.mark.parametrize(
  ('action', 'sentence', 'code'),
  [
    pytest.param(lambda at: (at / 'no').open(), "'{at}/no' is not there. Check its name.", 2, id='not_there'),
    pytest.param(lambda at: at.open('w'), "'{at}' is a directory. Name a file.", 2, id='a_directory'),
    pytest.param(lambda at: (at / 'file' / 'x').open(), "'{at}/file/x' is below a file", 2, id='below_a_file'),
    pytest.param(lambda at: (at / 'file').mkdir(), "'{at}/file' is there already. Move it", 2, id='there_already'),
    pytest.param(lambda at: (at / ('a' * 300)).open(), "has too long a name. Choose a shorter", 2, id='long_name'),
    pytest.param(
      lambda at: _throw(OSError(errno.ENOSPC, 'No space left on device', '/d')),
      "The disk of '/d' is full. Free some space and run again; finished steps are kept.", 1, id='disk_full'
    ),
    pytest.param(lambda at: _throw(OSError(errno.ENOSPC, '')), 'The disk is full. Free some space', 1, id='full'),
    pytest.param(
      lambda at: _throw(ConnectionRefusedError(errno.ECONNREFUSED, 'Connection refused')),
      'Connection refused. Fix that and run again.', 1, id='no_path'
    ),
    pytest.param(
      lambda at: (at / 'bytes').read_text(encoding='utf-8'),
      'A file that is read holds bytes that are no UTF-8 text (invalid start byte). Save it as UTF-8.', 2, id='bytes'
    ),
    pytest.param(lambda at: json.loads('{"a": '), 'is no valid JSON (line 1: Expecting value)', 2, id='json'),
    pytest.param(lambda at: yaml.safe_load('a: [1'), 'is no valid YAML (while parsing a flow', 2, id='yaml'),
    pytest.param(
      lambda at: _throw(mlmd.errors.UnavailableError('gone\nfor good')),
      "The metadata store can't be used: gone. Check that it can be reached and written.", 2, id='store'
    ),
    pytest.param(
      lambda at: tf.io.gfile.GFile(str(at / 'no')).read(), "A file can't be used: ", 2, id='file_system_of_tensorflow'
    ),
  ],
)  # fmt: skip
def test_what_a_user_causes_is_printed(action, sentence, code, tmp_path):
  (tmp_path / 'file').touch()
  (tmp_path / 'bytes').write_bytes(b'\xff')
  found = message_and_exit_code(_raised(lambda: action(tmp_path)))
  assert found is not None
  assert found[0].startswith('Error: ')
  assert sentence.format(at=tmp_path) in found[0]
  assert '\n' not in found[0]
  assert found[1] == code


def _throw(error: Exception) -> None:
  raise error


@pytest.mark.parametrize(
  'error', [BrokenPipeError(errno.EPIPE, 'Broken pipe'), click.UsageError('x'), click.exceptions.Exit(3), KeyError('x')]
)
def test_what_is_left_to_click_or_is_a_fault(error):
  assert message_and_exit_code(error) is None


def _except_lists() -> Iterator[str]:
  ours = {name for name, value in _drawn_classes() if value}
  for file in sorted(_FOLDER.rglob('*.py')):
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
      if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Tuple):
        names = [getattr(one, 'attr', getattr(one, 'id', '')) for one in node.type.elts]
        if sum(name in ours for name in names) > 1:
          yield f'{file.name}: {", ".join(names)}'


def _drawn_classes() -> Iterator[tuple[str, bool]]:
  for word in (tree.__doc__ or '').split():
    yield word, word.endswith('Error')


def test_no_command_keeps_a_list_of_what_it_may_raise():
  assert not set(_except_lists())


def test_commands_print_no_error_themselves():
  """Neither do they translate one into click's, nor write it to standard error."""
  for file in sorted(_FOLDER.rglob('*.py')):
    text = file.read_text(encoding='utf-8')
    assert 'ClickException' not in text, file
    assert "echo(f'Error" not in text, file
