"""What a benchmark can't do ends in one sentence and the status 2; a runtime that is beyond has 1."""

import pytest

from benchmarks import runtimes, small


def _refused(main, arguments, capfd):
  with pytest.raises(SystemExit) as ended:
    main(arguments)
  assert ended.value.code == 2
  *_, sentence = capfd.readouterr().err.splitlines()
  return sentence


def test_runtimes_of_no_run(tmp_path, capfd):
  assert "is no run's output directory; make one with" in _refused(runtimes.main, [str(tmp_path / 'nope')], capfd)
  (tmp_path / 'config.yaml').write_text('extends: nyc\n')
  assert 'has no examples of RideExampleGen; let it end' in _refused(runtimes.main, [str(tmp_path)], capfd)


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    (['--data', 'nope.csv'], "'nope.csv' can't be opened (No such file or directory)."),
    (['--scheme', 'nope'], "Unknown scheme 'nope'. Available: "),
    (['--set', 'model.hiden=[3]'], "model.hiden: unknown key 'hiden'"),
  ],
)
def test_small_models_of_nothing(arguments, said, capfd):
  assert said in _refused(small.main, arguments, capfd)
