"""The kernel of rows reads decimals as Python's float does, to the last bit."""

import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.codecs import compiled_rows
from registry.codecs.compiled_rows import CompiledCsv, CompiledJson
from registry.signature import Column, Output, Signature

pytestmark = pytest.mark.skipif(not compiled_rows.AVAILABLE, reason="there is no C compiler")

SIGNATURE = Signature((Column("x", "number"),), Output("y", "number"))
JSON = CompiledJson(SIGNATURE)
CSV = CompiledCsv(SIGNATURE)

HARD = [
    # The smallest and largest doubles, and what is between them and the next.
    *("5e-324", "4.9406564584124654e-324", "2.4703282292062328e-324", "2.4703282292062327e-324"),
    *("2.2250738585072011e-308", "2.2250738585072012e-308", "2.2250738585072014e-308"),
    *("1.7976931348623157e308", "1.7976931348623158e308", "17976931348623158e292", "1e-400"),
    *("6.631236846766476e-316", "1.1125369292536007e-308", "2.2250738585072009e-308"),
    # Halfway between two doubles, or nearly.
    *("9007199254740993", "9007199254740995", "9007199254740992.5", "9007199254740993.0"),
    *("36028797018963970", "72057594037927932", "7205759403792793200001e-5", "4503599627370496.5"),
    *("4503599627370497.5", "1e23", "8.5e22", "9.007199254740993e-4", "0.000030517578125000001"),
    *("3.518437208883201171875e13", "62.5364939768271845828", "8.10109172351e-10"),
    *("1.50000000000000011102230246251565", "9214843084008499.0", "30078505129381147446200"),
    *("0.500000000000000166533453693773481063544750213623046875", "1777820000000000000001"),
    *("5708990770823839207320493820740630171355185152001e-3", "0.1", "0.3", "1e22", "1e-22"),
    *("9007199254740991e22", "9007199254740993e22", "123456789012345678e-18", "1e16"),
    # The numbers with which Paxson, "A Program for Testing IEEE Decimal-Binary Conversion" (1991),
    # found the ones that are nearest to halfway.
    *("5e125", "69e267", "999e-26", "7861e-34", "75569e-254", "928609e-261", "9210917e80"),
    *("84863171e114", "653777767e273", "5232604057e-298", "27235667517e-109", "653532977297e-123"),
    *("3142213164987e-294", "46202199371337e-72", "231010996856685e-73", "9324754620109615e212"),
    *("78459735791271921e49", "272104041512242479e200", "6802601037806061975e198"),
    # Many digits, zeros and exponents.
    *("0", "0.0", "0e999999999999999999999", "0.000e-5", "1" + "0" * 300, "0." + "0" * 400 + "1"),
    *("1e-" + "0" * 50 + "5", "1" * 19, "1" * 25, "0." + "1" * 40, "1" + "0" * 25 + "e-25"),
    *("18446744073709551615", "18446744073709551616", "9999999999999999999"),
    "0." + "0" * 5000 + "17e5003",
]


def bits(numbers):
    return np.array(numbers, dtype=np.float64).view(np.uint64).tolist()


def read(reader, decimals):
    if reader is JSON:
        body = '{"instances":[{"x":' + '},{"x":'.join(decimals) + "}]}"
    else:
        body = "x\n" + "\n".join(decimals)
    batch = reader.read(body.encode())
    return None if batch is None else bits(batch.columns["x"])


@pytest.mark.parametrize("reader", [JSON, CSV], ids=["json", "csv"])
@pytest.mark.parametrize("decimal", HARD, ids=lambda decimal: decimal[:30])
def test_hard_decimals_are_rounded_as_in_python(decimal, reader):
    decimals = [decimal, f"-{decimal}", decimal.replace("e", "E+").replace("+-", "-")]
    found = read(reader, decimals)
    # Where 19 digits do not decide, as in some with more, the number is left to other decoders.
    long = sum(map(str.isdigit, decimal.partition("e")[0].strip("0."))) > 19
    expected = bits([-0.0 if one == "-0" and reader is CSV else float(one) for one in decimals])
    if reader is JSON and decimal == "0":
        expected[1] = 0  # JSON's -0 is an integer
    assert found == expected or (long and found is None)


@pytest.mark.parametrize("reader", [JSON, CSV], ids=["json", "csv"])
@pytest.mark.parametrize("decimal", ["1e309", "1.7976931348623159e308", "1" * 400, "-2e308"])
def test_what_is_too_large_for_a_double_is_not_accepted(decimal, reader):
    assert read(reader, ["1", decimal]) is None


@pytest.mark.parametrize(
    "text",
    ["", "-", "+1", ".5", "5.", "01", "-01", "1e", "1e+", "e5", "1.e5", "NaN", "Infinity", "0x1",
     "1_0", "1 2", "--1", "1.2.3", "\N{ARABIC-INDIC DIGIT ONE}"],
)  # fmt: skip
def test_only_numbers_of_json_are_accepted_in_json(text):
    assert read(JSON, ["1", text]) is None


@pytest.mark.parametrize("text", ["+1", ".5", "5.", "01", "-00.5e-02", " 7 ", "+.5E+3", "1.e5"])
def test_numbers_of_csv_may_be_written_as_python_reads_them(text):
    assert read(CSV, ["1", text]) == bits([1, float(text)])


@pytest.mark.parametrize(
    "text", ["-", "+", ".", "e5", "1e", "1e+", "+-1", "1 2", "nan", "inf", "0x1", "1_0", "  "]
)
def test_what_is_not_a_number_is_not_accepted_in_csv(text):
    assert read(CSV, ["1", text]) is None


_numbers = st.floats(allow_nan=False, allow_infinity=False)
_decimals = st.one_of(
    _numbers.map(repr),
    _numbers.map("{:.16e}".format),
    st.builds("{}e{}".format, st.integers(-(10**19) + 1, 10**19 - 1), st.integers(-345, 280)),
    st.builds("{}.{}".format, st.integers(-(10**9), 10**9), st.integers(0, 10**9)),
    # Halfway between two doubles that are whole.
    st.builds(lambda odd, power: str((2 * odd + 1) << power), st.integers(2**52, 2**53 - 1),
              st.integers(0, 9)),
)  # fmt: skip


@given(st.lists(_decimals, min_size=2, max_size=20))
def test_decimals_of_up_to_19_digits_are_read_by_the_kernel(decimals):
    expected = bits([float(one) for one in decimals])
    assert read(CSV, decimals) == expected
    assert read(JSON, [one.replace("-0e", "0e") for one in decimals]) is not None


def _random_decimal(choose):
    kind = choose.randrange(4)
    if kind == 0:
        (number,) = struct.unpack("d", struct.pack("Q", choose.getrandbits(64)))
        return repr(number) if abs(number) < float("inf") else "1"
    if kind == 1:
        return repr(choose.gauss(0, 1) * 10.0 ** choose.randrange(-6, 7))
    if kind == 2:
        return f"{choose.getrandbits(63)}e{choose.randrange(-345, 290)}"
    return f"{choose.getrandbits(choose.randrange(1, 30))}.{choose.getrandbits(30):09}"


def _check_random_decimals(count, seed):
    choose = random.Random(seed)
    for _ in range(count // 1000):
        decimals = [_random_decimal(choose) for _ in range(1000)]
        expected = bits([float(one) for one in decimals])
        assert read(JSON, decimals) == expected
        assert read(CSV, decimals) == expected


def test_random_decimals_are_read_as_in_python():
    _check_random_decimals(10_000, seed=1)


@pytest.mark.slow
def test_a_million_random_decimals_are_read_as_in_python():
    _check_random_decimals(1_000_000, seed=2)
