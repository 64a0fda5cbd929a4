"""The parts in C are optional; without them their tests are skipped."""

import shutil
import sysconfig

import pytest

from cli.connections import preload
from registry.codecs import thrift_compact
from registry.engines import chain_program, forest

COMPILER = (sysconfig.get_config_var("CC") or "cc").split()[0]


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="there is no C compiler")
def test_all_c_modules_are_built_where_there_is_a_compiler() -> None:
    assert forest.AVAILABLE
    assert chain_program.AVAILABLE
    assert thrift_compact.AVAILABLE
    assert preload({})
