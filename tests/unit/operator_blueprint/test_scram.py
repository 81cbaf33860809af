"""SCRAM verifiers: the RFC's own example, round trips, and what PostgreSQL does with passwords outside ASCII."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_handlers.blueprint.scram import matches, prepared
from dharma_operator.blueprint import scram

# RFC 7677, section 3: password "pencil"; StoredKey and ServerKey follow from the exchange printed there.
RFC_7677 = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


async def test_the_example_of_the_rfc() -> None:
    assert matches(RFC_7677, "pencil")
    assert not matches(RFC_7677, "pencil ")


async def test_a_fresh_salt_each_time_and_both_verify() -> None:
    first, second = await scram.make_verifier("geheim"), await scram.make_verifier("geheim")
    assert first != second
    assert matches(first, "geheim")
    assert matches(second, "geheim")


@pytest.mark.parametrize("verifier", [None, "", "md5abc", "SCRAM-SHA-256$x:y$z:w", "SCRAM-SHA-256$4096:***$a:b", "SCRAM-SHA-256"])
async def test_what_is_no_verifier_never_verifies(verifier: str | None) -> None:
    assert not matches(verifier, "")


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=20))
async def test_every_password_verifies_itself_and_stands_nowhere_in_the_verifier(password: str) -> None:
    verifier = scram._verifier(password, b"0123456789abcdef")
    assert matches(verifier, password)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("I\u00adX", "IX"),  # RFC 4013, section 3: the soft hyphen is mapped to nothing
        ("\u00aa", "a"),  # NFKC
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),  # a space that is not ASCII
    ],
)
async def test_equal_after_preparation(typed: str, stored: str) -> None:
    assert matches(await scram.make_verifier(stored), typed)


@pytest.mark.parametrize("password", ["\u0627\u0031", "ab\u0007\u00e9"])
async def test_what_the_profile_forbids_is_taken_as_it_is(password: str) -> None:
    assert prepared(password) == password
