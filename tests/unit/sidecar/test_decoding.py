"""Streams are decoded in bounded pieces, however they are cut."""

from __future__ import annotations

import base64
import gzip
import itertools
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import InvalidArchive
from varflow_sidecar.files.decoding import PIECE_BYTES, Base64, Decoder, Gunzip

GRAMMAR = re.compile("(?:[a-zA-Z0-9+/]{4})*(?:[a-zA-Z0-9+/]{2}==|[a-zA-Z0-9+/]{3}=)?")


def decode(decoder: Decoder, data: bytes, step: int) -> bytes:
    chunks = [data[start : start + step] for start in range(0, len(data), step)]
    pieces = itertools.chain.from_iterable(decoder.decode(chunk) for chunk in chunks)
    return b"".join([*pieces, *decoder.finish()])


@given(data=st.binary(max_size=500), step=st.integers(1, 100), width=st.integers(1, 80))
def test_base64_is_decoded_wherever_it_is_cut(data: bytes, step: int, width: int) -> None:
    text = base64.b64encode(data)
    lines = b"\r\n".join(text[start : start + width] for start in range(0, len(text), width))

    assert decode(Base64(), lines, step) == data


@given(text=st.text(st.sampled_from("aB1+/= -_"), max_size=20), step=st.integers(1, 5))
def test_base64_is_refused_when_its_grammar_refuses_it(text: str, step: int) -> None:
    clean = text.replace(" ", "")
    if GRAMMAR.fullmatch(clean):
        assert decode(Base64(), text.encode(), step) == base64.b64decode(clean)
    else:
        with pytest.raises(InvalidArchive):
            decode(Base64(), text.encode(), step)


@given(data=st.binary(max_size=2000), step=st.integers(1, 100), members=st.integers(1, 3))
def test_gzip_is_decoded_wherever_it_is_cut(data: bytes, step: int, members: int) -> None:
    assert decode(Gunzip(), gzip.compress(data) * members, step) == data * members


@given(data=st.binary(max_size=100), step=st.integers(1, 10))
def test_what_is_no_gzip_passes(data: bytes, step: int) -> None:
    if not data.startswith(b"\x1f\x8b"):
        assert decode(Gunzip(), data, step) == data


@given(cut=st.integers(1, 200), step=st.integers(1, 300))
def test_gzip_that_is_cut_off_is_refused(cut: int, step: int) -> None:
    data = gzip.compress(os.urandom(200))
    with pytest.raises(InvalidArchive):
        decode(Gunzip(), data[: max(2, len(data) - cut)], step)


def test_a_bomb_comes_in_pieces() -> None:
    data = gzip.compress(bytes(50 * PIECE_BYTES))

    assert max(len(piece) for piece in Gunzip().decode(data)) <= PIECE_BYTES


def test_zeros_behind_gzip_are_padding() -> None:
    assert decode(Gunzip(), gzip.compress(b"1") + bytes(1000), 7) == b"1"
