"""How many rows go through the device together, and what counts as out of memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hubbot.finetuning.memory import fewer_rows, first_rows, is_out_of_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("batch_size", "longest", "most", "rows"),
    [
        (32, 128, None, 32),  # the recipe of MiniLM goes through at once
        (256, 128, None, 32),
        (256, 512, None, 8),
        (256, 5_000, None, 1),
        (32, 1, None, 32),
        (32, 128, 8, 8),
        (32, 128, 9, 8),  # parts are equal
        (24, 128, 11, 8),
        (17, 128, 16, 1),
    ],
)
def test_a_batch_is_cut_into_equal_parts(
    batch_size: int, longest: int, most: int | None, rows: int
) -> None:
    assert first_rows(batch_size=batch_size, longest=longest, device=CPU, most=most) == rows


@given(st.integers(1, 300))
def test_halving_ends_at_one_row_and_never_changes_the_batch(batch_size: int) -> None:
    rows = batch_size
    while rows > 1:
        fewer = fewer_rows(batch_size, rows)
        assert 1 <= fewer <= rows // 2
        assert batch_size % fewer == 0
        rows = fewer


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_only_lack_of_memory_is_met_with_fewer_rows(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


_PEAKS = """
import torch
from hubbot.finetuning.memory import peak_memory_gb
cpu = torch.device("cpu")
before = peak_memory_gb(cpu)
held = torch.ones(int((before + 0.2) * 2**28))
print(before, peak_memory_gb(cpu))
"""


def test_the_peak_grows_with_what_is_used_and_not_with_what_the_parent_held() -> None:
    held = np.ones(2**27)  # 1 GiB, at which Linux would let getrusage of a child begin
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS], capture_output=True, text=True, check=True
    )
    before, after = map(float, done.stdout.split())
    assert 0.05 < before < held.nbytes / 2**30
    assert before + 0.15 < after < 2 * before + 0.4
