"""Codes that sign in once, used by several processes at the same time."""

import multiprocessing
from contextlib import suppress

from registry.errors import SignInLinkRefused
from registry.storage.sign_in_codes import SignInCodes
from registry.storage.tables import utc_now

PROCESSES = 3
CODES = 40


def use_all(run, codes, begin, used):
    """Use each of ``codes``, in step with the other processes."""
    mine = []
    for code in codes:
        begin.wait()
        with suppress(SignInLinkRefused):
            mine.append((code, SignInCodes(run).use(code, utc_now())))
    used.put(mine)


def test_each_code_is_used_by_one_of_several_processes(tmp_path):
    run = tmp_path / "run"
    codes = [SignInCodes(run).make(f"digest-{number}", utc_now()) for number in range(CODES)]
    context = multiprocessing.get_context("fork")
    begin, used = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=use_all, args=(run, codes, begin, used)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    found = [one for _ in processes for one in used.get(timeout=30)]
    for process in processes:
        process.join(30)

    assert sorted(found) == sorted(zip(codes, (f"digest-{n}" for n in range(CODES)), strict=True))
    assert list((run / "sign-in").iterdir()) == []
