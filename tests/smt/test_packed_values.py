# SPDX-License-Identifier: BSD-2-Clause
"""Packed values made from bits, and stored as words: what the prover knows of them, and what it does not."""

from __future__ import annotations

from tests.readers import functions_of, module_of
from tests.smt.proving import unproved
from tests.smt.test_encoder import world
from tests.smt.test_encoder_memory import MODULE


def test_arbitrary_bits_are_no_packed_value_of_a_kind() -> None:
    module = module_of(
        "tests_encoder_bits",
        f"""
from {MODULE.__name__} import *

@compiled
def kind_of(raw: u128) -> u64:
    cap = from_word(Cap, raw)
    match cap:
        case NoneCap() | OpenCap() | ShutCap():
            return 1
        case _:
            assert False
    return 0

@compiled
def number_of(raw: u64) -> u64:
    return from_word(Entry, raw).number
""",
    )
    read = world(functions_of(module))
    assert unproved(read, module.kind_of) == {"variant any bits as Cap"}
    assert unproved(read, module.number_of) == set()


def test_a_packed_value_that_is_stored_keeps_its_fields() -> None:
    module = module_of(
        "tests_encoder_stored",
        f"""
from {MODULE.__name__} import *

@struct
class Words:
    word: u64

@compiled
def store(words: Words, entry: Entry) -> None:
    words.word = to_word(entry)
    assert from_word(Entry, words.word).number == entry.number

@compiled
def store_valid(words: Words, entry: Entry) -> None:
    words.word = to_word(entry.replace(valid=True))
    assert from_word(Entry, words.word).valid
    assert from_word(Entry, words.word).valid == entry.valid
""",
    )
    read = world(functions_of(module))
    assert unproved(read, module.store) == set()
    assert unproved(read, module.store_valid) == {"assert from_word(Entry, words.word).valid == entry.valid"}
