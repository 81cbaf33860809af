from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dharma_crds.quantity import Quantity, parse_quantity

SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("512Mi", "536870912"),
        ("1.5Gi", "1610612736"),
        ("50G", "50000000000"),
        ("500m", "0.5"),
        ("1E", "1000000000000000000"),
        ("1E3", "1000"),
        ("2e-3", "0.002"),
        ("1Ei", "1152921504606846976"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1k", "-1000"),
        ("+3", "3"),
        ("100n", "1e-7"),
    ],
)
def test_reads_what_kubernetes_reads(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", "5GB", "Gi", "1 Gi", "1gi", "1Kib", "0x10", "1e", "1e1.5", "--1", "1\n", "\N{ARABIC-INDIC DIGIT ONE}", "1" * 65, "NaN", "1_000"],
)
def test_refuses_what_is_no_quantity_and_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity; write a number with one of"):
        parse_quantity(text)


@given(st.integers(-(10**30), 10**30), st.integers(0, 12), st.sampled_from(sorted(SUFFIXES)))
def test_is_exact_for_any_number_and_suffix(digits: int, places: int, suffix: str) -> None:
    whole, fraction = divmod(abs(digits), 10**places)
    text = f"{'-' if digits < 0 else ''}{whole}.{fraction:0{places}d}{suffix}" if places else f"{digits}{suffix}"
    assert Fraction(parse_quantity(text)) == Fraction(digits, 10**places) * Fraction(SUFFIXES[suffix])


@given(st.integers(0, 2**63))
def test_bytes_come_back(count: int) -> None:
    assert Quantity.of_bytes(count).bytes == count


def test_spells_sizes_in_the_largest_unit_that_holds_them_exactly() -> None:
    spelt = [str(Quantity.of_bytes(count)) for count in (0, 1, 1023, 1024, 1536, 2**30, 3 * 2**29, 2**60)]
    assert spelt == ["0", "1", "1023", "1Ki", "1536", "1Gi", "1536Mi", "1Ei"]


def test_rounds_up_to_whole_bytes_and_millicores_as_kubernetes_does() -> None:
    assert Quantity("1.5").bytes == 2
    assert Quantity("0.1m").millicores == 1
    assert Quantity("2").millicores == 2000


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_compares_by_value_not_by_spelling(one: int, other: int) -> None:
    small, large = Quantity.of_bytes(one), Quantity(f"{other}")
    assert (small < large, small == large, small > large) == (one < other, one == other, one > other)
    assert hash(Quantity("1Gi")) == hash(Quantity("1024Mi"))
    assert Quantity("1Gi") == Quantity("1024Mi")
    assert Quantity("1Gi") != "1Gi"


def test_is_read_from_text_and_whole_numbers_and_written_as_it_was() -> None:
    adapter = TypeAdapter(Quantity)
    assert adapter.dump_python(adapter.validate_python("1.50Gi"), mode="json") == "1.50Gi"
    assert adapter.validate_python(2).millicores == 2000
    assert repr(adapter.validate_python("2")) == "Quantity('2')"
    for wrong in (1.5, True, None, "5GB"):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
