"""What this machine has to encode with."""

from dataclasses import dataclass

_BF16_FROM = 8
"""First major compute capability with bfloat16 in hardware (Ampere)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaDevice:
    """One device that torch sees."""

    name: str
    """As the driver calls it."""
    memory_gb: float
    """Memory, GiB."""
    free_gb: float
    """Memory that no process uses now, GiB."""
    capability: str
    """Compute capability, such as ``9.0``."""
    has_bf16: bool
    """It computes in bfloat16 by itself."""


def describe_devices() -> tuple[str, ...]:
    """Return the names of the CUDA devices that torch sees; empty without one."""
    import torch

    if not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def inspect_devices() -> tuple[CudaDevice, ...]:
    """Return the CUDA devices that torch sees; empty without one."""
    return tuple(_inspect(index) for index in range(len(describe_devices())))


def _inspect(index: int) -> CudaDevice:
    import torch

    major, minor = torch.cuda.get_device_capability(index)
    free, total = torch.cuda.mem_get_info(index)
    return CudaDevice(
        name=torch.cuda.get_device_name(index),
        memory_gb=total / 2**30,
        free_gb=free / 2**30,
        capability=f"{major}.{minor}",
        has_bf16=major >= _BF16_FROM,
    )


def cuda_of_torch() -> str:
    """Return the CUDA version that torch was built for; empty for a build without CUDA."""
    import torch

    return torch.version.cuda or ""
