"""What this machine has to encode with."""


def describe_devices() -> tuple[str, ...]:
    """Return the names of the CUDA devices that torch sees; empty without one."""
    import torch

    if not torch.cuda.is_available():
        return ()
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
