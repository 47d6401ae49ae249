"""Virtual boards: genuine MicroPython behind a console that mpremote, esptool and a terminal accept.

    from bench.boards import Bench, Harness

    with Bench(tmp_path, seed=1) as bench:
        board = bench.add_board("bin-1", board="virtual", harness=Harness(i2c={0: [model]}))
        board.write_files({"/main.py": b"print('hello')"})     # offline, while it is without power
        board.power_on()
        bench.run_for(60)                                      # bench time, as fast as it goes
        assert "hello" in board.console

        with bench.live():                                     # in a thread, at the pace of the wall clock
            subprocess.run(["mpremote", "connect", board.port, "eval", "1+1"], timeout=20, check=True)

`bench.schedule` is the clock of all models. `bench.call(fn)` runs something in the bench's thread; all methods of
a board do so themselves. `InterpreterMissing` says how to get MicroPython; tests skip on it.
"""

from bench.boards.bench import Bench
from bench.boards.board import Board, State
from bench.boards.errors import BoardError, FirmwareSpins, InterpreterMissing
from bench.boards.harness import Harness

__all__ = ["Bench", "Board", "BoardError", "FirmwareSpins", "Harness", "InterpreterMissing", "State"]
