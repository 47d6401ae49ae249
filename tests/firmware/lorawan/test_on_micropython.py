from tests.on_micropython import run_on_micropython


def test_source_runs_on_the_genuine_interpreter_with_arguments_and_the_repository_on_its_path():
    out = run_on_micropython("import sys, firmware\nprint(sys.implementation.name, sys.argv[1])", "x", heapsize="200K")

    assert out == "micropython x\n"
